//! Hit ratios as curves over the capacity.
//!
//! Readable in black and white too: each policy has a dash and a mark of its own, and the legend names
//! them in the order in which the curves end.

mod mark;

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::args::Capacity;
use crate::failure::Failure;
use crate::report;
use crate::simulate::Outcome;
use mark::Look;

/// In pixels.
const SIZE: (u32, u32) = (1_400, 860);
const LEGEND: i32 = 250;
const FONT: &str = "DejaVu Sans";

/// A file that a plot goes into.
pub(crate) struct Canvas {
    path: PathBuf,
    is_png: bool,
}

/// One policy's outcomes, by capacity.
struct Curve<'a> {
    policy: &'a str,
    look: Look,
    points: Vec<(f64, f64)>,
}

impl Canvas {
    /// Fails early where the plot could not be written later.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_png = ending == "png";
        let path = path.to_owned();
        if !is_png && ending != "svg" {
            return Err(Failure::PlotKind { path });
        }
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let problem = match folder {
            Some(folder) if !folder.is_dir() => Some("its folder does not exist"),
            _ if path.is_dir() => Some("it is a folder"),
            _ => None,
        };
        match problem {
            Some(problem) => Err(Failure::Plot {
                path,
                message: problem.to_owned(),
            }),
            None => Ok(Self { path, is_png }),
        }
    }

    pub(crate) fn draw(&self, name: &str, outcomes: &[Outcome]) -> Result<(), Failure> {
        let drawn = if self.is_png {
            png(name, outcomes)
        } else {
            svg(name, outcomes).map(String::into_bytes)
        };
        let written = drawn.and_then(|bytes| {
            let written = std::fs::write(&self.path, bytes);
            written.map_err(|error| error.to_string())
        });
        written.map_err(|message| Failure::Plot {
            path: self.path.clone(),
            message,
        })
    }
}

fn svg(name: &str, outcomes: &[Outcome]) -> Result<String, String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&root, name, outcomes)?;
    }
    Ok(text)
}

fn png(name: &str, outcomes: &[Outcome]) -> Result<Vec<u8>, String> {
    let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        draw(&root, name, outcomes)?;
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    let written = writer.write_image_data(&pixels);
    written.map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(file)
}

fn draw<B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    name: &str,
    outcomes: &[Outcome],
) -> Result<(), String> {
    let text = |error: DrawingAreaErrorKind<B::ErrorType>| error.to_string();
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the font cannot be read".to_owned())?;
    let mut capacities: Vec<_> = outcomes.iter().map(|outcome| outcome.capacity).collect();
    capacities.dedup();
    let axis = Axis::of(&capacities);
    let curves = curves(outcomes, &axis);
    let highest = outcomes.iter().map(Outcome::hit_ratio).fold(0.0, f64::max);
    let top = ((highest * 10.0).ceil() * 10.0).max(10.0);

    root.fill(&WHITE).map_err(text)?;
    let (left, right) = root.split_horizontally(SIZE.0.cast_signed() - LEGEND);
    let unit = capacities.first().map_or("", |capacity| capacity.unit());
    let mut chart = ChartBuilder::on(&left)
        .caption(format!("Hit ratio by capacity: {name}"), (FONT, 30))
        .margin(24)
        .x_label_area_size(90)
        .y_label_area_size(90)
        .build_cartesian_2d(axis.from..axis.to, 0.0..top)
        .map_err(text)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .x_desc(axis.describe(unit))
        .y_desc("hit ratio (% of requests)")
        .y_label_formatter(&|share| format!("{share:.0}"))
        .axis_desc_style((FONT, 24))
        .label_style((FONT, 20))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(text)?;
    // A tick for each capacity that was simulated, as far as their names have room.
    let style = (FONT, 20).into_font().color(&BLACK);
    let style = style.pos(Pos::new(HPos::Center, VPos::Top));
    let mut free_from = i32::MIN;
    for capacity in &capacities {
        let (x, y) = chart.backend_coord(&(axis.at(*capacity), 0.0));
        let tick = PathElement::new(vec![(x, y), (x, y + 8)], BLACK);
        left.draw(&tick).map_err(text)?;
        let label = report::capacity(*capacity);
        let half = i32::try_from(label.chars().count()).unwrap_or(0) * 7;
        if x - half >= free_from {
            let label = Text::new(label, (x, y + 14), style.clone());
            left.draw(&label).map_err(text)?;
            free_from = x + half + 10;
        }
    }
    for curve in &curves {
        let points: Vec<_> = curve
            .points
            .iter()
            .map(|point| chart.backend_coord(point))
            .collect();
        curve.look.draw(&left, &points).map_err(text)?;
    }
    for (curve, row) in curves.iter().zip(0..) {
        let y = 110 + row * 44;
        curve
            .look
            .draw(&right, &[(14, y), (54, y), (94, y)])
            .map_err(text)?;
        let style = (FONT, 22).into_font().color(&BLACK);
        let style = style.pos(Pos::new(HPos::Left, VPos::Center));
        let label = Text::new(curve.policy.to_owned(), (110, y), style);
        right.draw(&label).map_err(text)?;
    }
    root.present().map_err(text)
}

/// The curves, the one that ends highest first.
fn curves<'a>(outcomes: &'a [Outcome], axis: &Axis) -> Vec<Curve<'a>> {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for outcome in outcomes {
        let point = (axis.at(outcome.capacity), outcome.hit_ratio() * 100.0);
        let known = curves
            .iter_mut()
            .find(|curve| curve.policy == outcome.policy);
        if let Some(curve) = known {
            curve.points.push(point);
        } else {
            curves.push(Curve {
                policy: &outcome.policy,
                look: Look::of(&outcome.policy),
                points: vec![point],
            });
        }
    }
    let end = |curve: &Curve<'_>| curve.points.last().map_or(0.0, |(_, share)| *share);
    curves.sort_by(|a, b| end(b).total_cmp(&end(a)));
    curves
}

/// Where capacities lie: side by side, or by their logarithm where they span much.
struct Axis {
    is_log: bool,
    from: f64,
    to: f64,
}

/// Capacities that differ by more than this factor are spread by their logarithm.
const WIDE: u64 = 12;

impl Axis {
    fn of(capacities: &[Capacity]) -> Self {
        let amounts = || capacities.iter().map(|capacity| capacity.amount());
        let (least, most) = (amounts().min().unwrap_or(1), amounts().max().unwrap_or(1));
        let is_log = most / least >= WIDE;
        let axis = Self {
            is_log,
            from: 0.0,
            to: 0.0,
        };
        let (least, most) = (axis.place(least), axis.place(most));
        // So that marks lie within, and a lone one in the middle.
        let room = if least < most {
            (most - least) * 0.04
        } else {
            1.0
        };
        Self {
            is_log,
            from: least - room,
            to: most + room,
        }
    }

    fn at(&self, capacity: Capacity) -> f64 {
        self.place(capacity.amount())
    }

    fn place(&self, amount: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "to the pixel will do")]
        let amount = amount as f64;
        if self.is_log { amount.log10() } else { amount }
    }

    fn describe(&self, unit: &str) -> String {
        let scale = if self.is_log { ", logarithmic" } else { "" };
        format!("capacity ({unit}{scale})")
    }
}
