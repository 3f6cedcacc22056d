//! Templates: `"user:{id}"`.
//!
//! How an argument is written depends on the text right behind it and on nothing else. So `"user:{team}:{id}"`
//! as a key, `"user:{team}:7"` as another, and `"user:{team}:*"` as a pattern begin alike, whatever `team` is.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::{Error, LitStr, Path, Result};

use crate::function::Function;

/// A text with arguments in it.
pub(crate) struct Template {
    span: Span,
    pieces: Vec<Piece>,
}

enum Piece {
    Literal(String),
    /// An argument or one of its fields.
    Value {
        root: String,
        path: TokenStream,
    },
}

impl Template {
    /// Reads it; what it names must be arguments of `function`.
    pub(crate) fn parse(text: &LitStr, function: &Function) -> Result<Self> {
        let (value, span) = (text.value(), text.span());
        let wrong = |message: String| Err(Error::new(span, message));
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut chars = value.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '{' | '}' if chars.peek() == Some(&char) => {
                    chars.next();
                    literal.push(char);
                }
                '}' => {
                    return wrong(
                        "a `}` without its `{`; for the character itself write `}}`".into(),
                    );
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(char) => name.push(char),
                            None => {
                                return wrong(
                                    "a `{` without its `}`; for the character itself write `{{`"
                                        .into(),
                                );
                            }
                        }
                    }
                    if literal.is_empty() && matches!(pieces.last(), Some(Piece::Value { .. })) {
                        return wrong(format!(
                            "nothing stands before `{{{name}}}` and behind the argument before it, so \
                             different arguments could make one text: put a character between them"
                        ));
                    }
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(value_of(&name, span, function)?);
                }
                _ => literal.push(char),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { span, pieces })
    }

    /// Whether there is an argument in it.
    pub(crate) fn is_constant(&self) -> bool {
        !self
            .pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Value { .. }))
    }

    /// The arguments in it.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value { root, .. } => Some(root.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// An expression that is a `Text`.
    pub(crate) fn tokens(&self, larder: &Path) -> TokenStream {
        let new = quote_spanned!(self.span=> #larder::__private::Text::new());
        self.grown(new)
    }

    /// An expression that is a `String`: a pattern, in which arguments stand for themselves.
    ///
    /// # Errors
    /// Where a wildcard stands right behind an argument: what that is escaped for is not known then.
    pub(crate) fn pattern(&self, larder: &Path) -> Result<TokenStream> {
        for pair in self.pieces.windows(2) {
            if let [Piece::Value { root, .. }, Piece::Literal(next)] = pair
                && next.starts_with(['*', '?'])
            {
                return Err(Error::new(
                    self.span,
                    format!(
                        "a wildcard right behind `{{{root}}}`, which in the keys is written for the text \
                         behind it: write that before the wildcard, as in `\"{{{root}}}:*\"`; where all \
                         keys are meant that begin like this, write an expression such as `format!(…)`"
                    ),
                ));
            }
        }
        let new = quote_spanned!(self.span=> #larder::__private::Text::pattern());
        let text = self.grown(new);
        Ok(quote!(::std::borrow::ToOwned::to_owned(#text.as_str())))
    }

    fn grown(&self, mut text: TokenStream) -> TokenStream {
        for (at, piece) in self.pieces.iter().enumerate() {
            match (piece, self.pieces.get(at + 1)) {
                (Piece::Literal(literal), _) => text = quote!(#text.literal(#literal)),
                (Piece::Value { path, .. }, Some(Piece::Literal(next))) => {
                    // There is one, or `parse` had refused it.
                    let until = next.chars().next().unwrap_or_default();
                    text = quote_spanned!(self.span=> #text.before(&(#path), #until));
                }
                (Piece::Value { path, .. }, _) => {
                    text = quote_spanned!(self.span=> #text.last(&(#path)));
                }
            }
        }
        text
    }

    /// An expression that is a `String`.
    pub(crate) fn string(&self, larder: &Path) -> TokenStream {
        let text = self.tokens(larder);
        quote!(::std::borrow::ToOwned::to_owned(#text.as_str()))
    }
}

/// `id`, `user.id` or `self.0.name`.
fn value_of(name: &str, span: Span, function: &Function) -> Result<Piece> {
    let known = || {
        let mut names: Vec<_> = function.names().collect();
        if function.has_self() {
            names.push("self".to_owned());
        }
        match names.len() {
            0 => "the function has none".to_owned(),
            1 => format!("there is only `{}`", names[0]),
            _ => format!("there are `{}`", names.join("`, `")),
        }
    };
    let mut parts = name.split('.');
    let root = parts.next().unwrap_or_default().to_owned();
    let is_self = root == "self" && function.has_self();
    if !is_self && !function.names().any(|known| known == root) {
        return Err(Error::new(
            span,
            format!("`{{{name}}}` names no argument: {}", known()),
        ));
    }
    let mut path = match root.as_str() {
        "self" => quote_spanned!(span=> self),
        _ => {
            let mut arguments = function.arguments.iter();
            let argument = arguments.find(|argument| argument.named && argument.name() == root);
            let mut root = argument.map(|argument| argument.ident.clone());
            if let Some(root) = &mut root {
                root.set_span(span);
            }
            quote!(#root)
        }
    };
    for part in parts {
        if let Ok(index) = part.parse::<u32>() {
            let index = syn::Index { index, span };
            path = quote!(#path.#index);
        } else if let Ok(mut field) = Ident::parse_any.parse_str(part) {
            // A keyword is the name of a field as `r#…` only.
            if syn::parse_str::<Ident>(part).is_err()
                && !matches!(part, "self" | "Self" | "super" | "crate" | "_")
            {
                field = Ident::new_raw(part, span);
            }
            field.set_span(span);
            path = quote!(#path.#field);
        } else {
            return Err(Error::new(
                span,
                format!(
                    "`{{{name}}}` is neither an argument nor a field of one; for more, write an expression \
                     instead of the text"
                ),
            ));
        }
    }
    Ok(Piece::Value { root, path })
}
