//! How the curve of a policy looks.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::simulate::CLAIRVOYANT;

/// A colour, a dash and a mark; two curves differ in at least the mark, and none needs its colour to
/// be told from the others.
#[derive(Clone, Copy)]
pub(super) struct Look {
    color: RGBColor,
    /// How long a dash is, and the gap after it, in pixels; no gap where the line is whole.
    dash: (i32, i32),
    width: u32,
    mark: Mark,
}

#[derive(Clone, Copy)]
enum Mark {
    None,
    Disc,
    Ring,
    Square,
    OpenSquare,
    Up,
    Down,
    Cross,
    Plus,
    Diamond,
}

/// Half of a mark's width, in pixels.
const HALF: i32 = 7;

impl Look {
    pub(super) fn of(policy: &str) -> Self {
        let look = |color, dash, mark| Self {
            color,
            dash,
            width: 2,
            mark,
        };
        match policy {
            CLAIRVOYANT => Self {
                width: 4,
                ..look(BLACK, (1, 0), Mark::None)
            },
            "default" => look(RGBColor(180, 30, 30), (1, 0), Mark::Disc),
            "fifo" => look(RGBColor(120, 80, 20), (3, 6), Mark::Ring),
            "lifo" => look(RGBColor(90, 90, 90), (3, 6), Mark::OpenSquare),
            "lru" => look(RGBColor(20, 80, 170), (14, 5), Mark::Square),
            "mru" => look(RGBColor(80, 120, 180), (14, 5), Mark::Down),
            "lfu" => look(RGBColor(20, 120, 60), (8, 8), Mark::Up),
            "sieve" => look(RGBColor(130, 40, 140), (22, 8), Mark::Cross),
            "s3-fifo" => look(RGBColor(190, 110, 0), (22, 8), Mark::Diamond),
            "w-tinylfu" => look(RGBColor(0, 120, 130), (14, 5), Mark::Plus),
            _ => look(BLACK, (5, 5), Mark::Plus),
        }
    }

    /// Draws a curve through pixels, with a mark at each but where it is the clairvoyant's.
    pub(super) fn draw<B: DrawingBackend>(
        self,
        area: &DrawingArea<B, Shift>,
        points: &[(i32, i32)],
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let line = self.color.stroke_width(self.width);
        let (dash, gap) = self.dash;
        let points = points.iter().copied();
        if gap == 0 {
            let points: Vec<_> = points.clone().collect();
            area.draw(&PathElement::new(points, line))?;
        } else {
            area.draw(&DashedPathElement::new(points.clone(), dash, gap, line))?;
        }
        // A line through one point is none: there it has a mark of its own.
        let is_alone = points.len() == 1;
        for at in points {
            match self.mark {
                Mark::None if is_alone => self.put(area, Mark::Disc, at)?,
                mark => self.put(area, mark, at)?,
            }
        }
        Ok(())
    }

    fn put<B: DrawingBackend>(
        self,
        area: &DrawingArea<B, Shift>,
        mark: Mark,
        (x, y): (i32, i32),
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let (fill, line) = (self.color.filled(), self.color.stroke_width(2));
        let corners = [(x - HALF, y - HALF), (x + HALF, y + HALF)];
        let stroke = |from, to| area.draw(&PathElement::new(vec![from, to], line));
        match mark {
            Mark::None => Ok(()),
            Mark::Disc => area.draw(&Circle::new((x, y), HALF, fill)),
            Mark::Ring => {
                area.draw(&Circle::new((x, y), HALF, WHITE.filled()))?;
                area.draw(&Circle::new((x, y), HALF, line))
            }
            Mark::Square => area.draw(&Rectangle::new(corners, fill)),
            Mark::OpenSquare => {
                area.draw(&Rectangle::new(corners, WHITE.filled()))?;
                area.draw(&Rectangle::new(corners, line))
            }
            Mark::Up | Mark::Down => {
                let tip = if matches!(mark, Mark::Up) {
                    -HALF
                } else {
                    HALF
                };
                let points = vec![(x, y + tip), (x - HALF, y - tip), (x + HALF, y - tip)];
                area.draw(&Polygon::new(points, fill))
            }
            Mark::Cross => {
                stroke((x - HALF, y - HALF), (x + HALF, y + HALF))?;
                stroke((x - HALF, y + HALF), (x + HALF, y - HALF))
            }
            Mark::Plus => {
                stroke((x - HALF, y), (x + HALF, y))?;
                stroke((x, y - HALF), (x, y + HALF))
            }
            Mark::Diamond => {
                let around = [(x, y - HALF), (x + HALF, y), (x, y + HALF), (x - HALF, y)];
                area.draw(&Polygon::new(around.to_vec(), fill))
            }
        }
    }
}
