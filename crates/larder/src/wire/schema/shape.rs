//! What a type asks for when it is deserialized, and the text that stands for it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write;

/// What is read at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// The type never asked.
    Unread,
    Leaf(&'static str),
    Option(Box<Shape>),
    Seq(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Tuple(Vec<Shape>),
    /// A struct or enum, by its place in the list of containers.
    Container(usize),
}

/// What is read inside of a struct or a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Unit,
    Newtype(Shape),
    Tuple(Vec<Shape>),
    Struct(Vec<(&'static str, Shape)>),
}

/// A finished struct or enum.
pub(super) enum Definition<'t> {
    Struct(&'t Body),
    Enum {
        /// The names it knows, aliases included.
        names: &'static [&'static str],
        variants: BTreeMap<u32, &'t Body>,
    },
}

impl Shape {
    fn containers(&self, optional: bool, found: &mut impl FnMut(usize)) {
        match self {
            Self::Option(inner) | Self::Seq(inner) if optional => inner.containers(true, found),
            Self::Map(key, value) if optional => {
                key.containers(true, found);
                value.containers(true, found);
            }
            Self::Tuple(shapes) => shapes
                .iter()
                .for_each(|shape| shape.containers(optional, found)),
            Self::Container(id) => found(*id),
            _ => {}
        }
    }
}

impl Body {
    /// Calls `found` with each container that is read here.
    pub(super) fn containers(&self, found: &mut impl FnMut(usize)) {
        self.shapes()
            .for_each(|shape| shape.containers(true, found));
    }

    /// Calls `found` with each container that is read here in any case: not in an option, a
    /// sequence or a map.
    pub(super) fn required(&self, found: &mut impl FnMut(usize)) {
        self.shapes()
            .for_each(|shape| shape.containers(false, found));
    }

    fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let (shapes, fields) = match self {
            Self::Unit => (&[][..], &[][..]),
            Self::Newtype(shape) => (std::slice::from_ref(shape), &[][..]),
            Self::Tuple(shapes) => (&shapes[..], &[][..]),
            Self::Struct(fields) => (&[][..], &fields[..]),
        };
        shapes.iter().chain(fields.iter().map(|(_, shape)| shape))
    }
}

/// Writes a type as text. The text is hashed and stored, so **it must never change for the same
/// type**: a test holds it. Containers are numbered in the order in which the text first names
/// them; names are written with their length, so no name can be taken for syntax.
pub(super) fn render<'t>(
    root: &Shape,
    define: impl Fn(usize) -> Option<(&'static str, Definition<'t>)>,
) -> Option<String> {
    let mut text = Text::default();
    text.out.push_str("larder schema 1\nroot ");
    text.shape(root);
    text.out.push('\n');
    let mut number = 0;
    while let Some(id) = text.waiting.pop_front() {
        let (name, definition) = define(id)?;
        let _ = write!(text.out, "#{number} ");
        number += 1;
        match definition {
            Definition::Struct(body) => {
                text.out.push_str("type ");
                text.name(name);
                text.body(body);
            }
            Definition::Enum { names, variants } => {
                text.out.push_str("enum ");
                text.name(name);
                for name in names {
                    text.out.push(' ');
                    text.name(name);
                }
                for (index, body) in variants {
                    let _ = write!(text.out, "\n {index}");
                    text.body(body);
                }
            }
        }
        text.out.push('\n');
    }
    Some(text.out)
}

#[derive(Default)]
struct Text {
    out: String,
    numbers: HashMap<usize, usize>,
    waiting: VecDeque<usize>,
}

impl Text {
    fn name(&mut self, name: &str) {
        let _ = write!(self.out, "{}:{name}", name.len());
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Unit => self.out.push_str(" unit"),
            Body::Newtype(shape) => {
                self.out.push_str(" newtype ");
                self.shape(shape);
            }
            Body::Tuple(shapes) => {
                self.out.push_str(" tuple ");
                self.shapes(shapes);
            }
            Body::Struct(fields) => {
                self.out.push_str(" struct");
                for (name, shape) in fields {
                    self.out.push(' ');
                    self.name(name);
                    self.out.push(' ');
                    self.shape(shape);
                }
            }
        }
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Unread => self.out.push_str("unread"),
            Shape::Leaf(name) => self.out.push_str(name),
            Shape::Option(inner) => self.of("option", &[inner]),
            Shape::Seq(inner) => self.of("seq", &[inner]),
            Shape::Map(key, value) => self.of("map", &[key, value]),
            Shape::Tuple(shapes) => self.shapes(shapes),
            Shape::Container(id) => {
                let next = self.numbers.len();
                let number = *self.numbers.entry(*id).or_insert_with(|| {
                    self.waiting.push_back(*id);
                    next
                });
                let _ = write!(self.out, "#{number}");
            }
        }
    }

    fn of(&mut self, what: &str, inner: &[&Shape]) {
        self.out.push_str(what);
        for (n, shape) in inner.iter().enumerate() {
            self.out.push(if n == 0 { '(' } else { ',' });
            self.shape(shape);
        }
        self.out.push(')');
    }

    /// Equal neighbours are written once, with their number.
    fn shapes(&mut self, shapes: &[Shape]) {
        self.out.push('[');
        for (n, run) in shapes.chunk_by(|a, b| a == b).enumerate() {
            if n > 0 {
                self.out.push(',');
            }
            let _ = write!(self.out, "{}*", run.len());
            run.iter().take(1).for_each(|shape| self.shape(shape));
        }
        self.out.push(']');
    }
}
