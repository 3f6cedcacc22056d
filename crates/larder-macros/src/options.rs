//! What stands in the parentheses of an attribute: `name`, `name = value` or `name(values)`.

use std::collections::{HashMap, HashSet};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprCall, ExprLit, ExprMethodCall, Lit, LitStr, Path, Result, Token, Type};

use crate::duration;
use crate::function::Function;
use crate::template::Template;
use crate::uses::names_in;

/// What is given for a name.
pub(crate) enum Given {
    /// Nothing: it is a switch.
    Nothing,
    Value(Expr),
    Type(Type),
    Names(Vec<Ident>),
}

/// The options of an attribute, by name.
pub(crate) struct Options {
    given: HashMap<String, (Span, Given)>,
    /// Calls of cached functions, where the attribute takes them.
    pub(crate) calls: Vec<Expr>,
}

/// The names that an attribute knows, and how each is given.
pub(crate) struct Known {
    pub(crate) attribute: &'static str,
    pub(crate) values: &'static [&'static str],
    pub(crate) switches: &'static [&'static str],
    pub(crate) lists: &'static [&'static str],
    pub(crate) types: &'static [&'static str],
    /// Whether it takes calls of cached functions.
    pub(crate) calls: bool,
}

/// One part between two commas.
enum Part {
    Named(Ident, Given),
    Call(Expr),
}

impl Known {
    pub(crate) fn parse(&self, tokens: TokenStream) -> Result<Options> {
        let parse = |input: ParseStream<'_>| {
            let mut parts = Vec::new();
            while !input.is_empty() {
                parts.push(self.part(input)?);
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(parts)
        };
        let mut options = Options {
            given: HashMap::new(),
            calls: Vec::new(),
        };
        for part in syn::parse::Parser::parse2(parse, tokens)? {
            match part {
                Part::Call(call) => options.calls.push(call),
                Part::Named(name, given) => {
                    let span = name.span();
                    if options
                        .given
                        .insert(name.to_string(), (span, given))
                        .is_some()
                    {
                        return Err(Error::new(span, format!("`{name}` is said twice")));
                    }
                }
            }
        }
        Ok(options)
    }

    fn part(&self, input: ParseStream<'_>) -> Result<Part> {
        if input.peek(LitStr) {
            let message = format!("the text needs a name: `{} = …`", self.values[0]);
            return Err(input.error(message));
        }
        if !(input.peek(syn::Ident) || input.peek(Token![crate]))
            || self.calls && !input.peek2(Token![=]) && !self.is_known(&input.fork())
        {
            return self.call(input);
        }
        let name: Ident = syn::ext::IdentExt::parse_any(input)?;
        let text = name.to_string();
        let knows = |names: &[&str]| names.contains(&text.as_str());
        if knows(self.switches) {
            if input.peek(Token![=]) || input.peek(syn::token::Paren) {
                return Err(Error::new(name.span(), format!("`{name}` takes no value")));
            }
            return Ok(Part::Named(name, Given::Nothing));
        }
        if knows(self.lists) {
            if !input.peek(syn::token::Paren) {
                let message = format!("`{name}` takes names of arguments: `{name}(db)`");
                return Err(Error::new(name.span(), message));
            }
            let within;
            syn::parenthesized!(within in input);
            let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&within, |input| {
                syn::ext::IdentExt::parse_any(input)
            })?;
            return Ok(Part::Named(name, Given::Names(names.into_iter().collect())));
        }
        if !knows(self.values) && !knows(self.types) {
            return Err(Error::new(name.span(), self.unknown(&text)));
        }
        if !input.peek(Token![=]) {
            return Err(Error::new(
                name.span(),
                format!("`{name}` takes a value: `{name} = …`"),
            ));
        }
        input.parse::<Token![=]>()?;
        let given = if knows(self.types) {
            Given::Type(input.parse()?)
        } else {
            Given::Value(input.parse()?)
        };
        Ok(Part::Named(name, given))
    }

    fn is_known(&self, input: ParseStream<'_>) -> bool {
        let Ok(name) = <Ident as syn::ext::IdentExt>::parse_any(input) else {
            return false;
        };
        let name = name.to_string();
        [self.values, self.switches, self.lists, self.types]
            .iter()
            .any(|names| names.contains(&name.as_str()))
    }

    fn call(&self, input: ParseStream<'_>) -> Result<Part> {
        let begins = input.span();
        if self.calls {
            let call: Expr = input.parse()?;
            return match call {
                Expr::Call(ExprCall { .. }) | Expr::MethodCall(ExprMethodCall { .. }) => {
                    Ok(Part::Call(call))
                }
                _ => Err(Error::new(
                    begins,
                    format!(
                        "neither an option nor a call of a cached function, as in `user(id)`: {}",
                        self.all()
                    ),
                )),
            };
        }
        Err(Error::new(
            begins,
            format!("this is no option: {}", self.all()),
        ))
    }

    fn unknown(&self, name: &str) -> String {
        let near = self.names().find(|known| is_near(known, name));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!(
            "`{}` has no option `{name}`{hint}\n{}",
            self.attribute,
            self.all()
        )
    }

    fn all(&self) -> String {
        let mut names: Vec<_> = self.names().collect();
        names.sort_unstable();
        format!("it takes {}", names.join(", "))
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        let lists = [self.values, self.switches, self.lists, self.types];
        lists.into_iter().flatten().copied()
    }
}

/// Whether one is the other but for one letter.
fn is_near(known: &str, name: &str) -> bool {
    let (known, name): (Vec<_>, Vec<_>) = (known.chars().collect(), name.chars().collect());
    let begin = known.iter().zip(&name).take_while(|(a, b)| a == b).count();
    let (known, name) = (&known[begin..], &name[begin..]);
    let end = known
        .iter()
        .rev()
        .zip(name.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    known.len() - end <= 1 && name.len() - end <= 1 && begin + end > 1
}

impl Options {
    /// Whether it was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Where it was given.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.given.get(name).map(|(span, _)| *span)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Expr> {
        match self.given.get(name) {
            Some((_, Given::Value(value))) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn ty(&self, name: &str) -> Option<&Type> {
        match self.given.get(name) {
            Some((_, Given::Type(ty))) => Some(ty),
            _ => None,
        }
    }

    pub(crate) fn names(&self, name: &str) -> &[Ident] {
        match self.given.get(name) {
            Some((_, Given::Names(names))) => names,
            _ => &[],
        }
    }

    /// The names of the values that are used in any option.
    pub(crate) fn names_used(&self) -> HashSet<String> {
        let values = self.given.values().filter_map(|(_, given)| match given {
            Given::Value(value) => Some(value),
            _ => None,
        });
        values.flat_map(names_in).collect()
    }

    /// The path to the library.
    pub(crate) fn larder(&self) -> Result<Path> {
        match self.value("crate") {
            None => Ok(syn::parse_quote!(::larder)),
            Some(Expr::Path(path)) => Ok(path.path.clone()),
            Some(other) => Err(Error::new_spanned(
                other,
                "the path to larder: `crate = my::larder`",
            )),
        }
    }

    /// Refuses `name`, for a reason, where it is given.
    pub(crate) fn refuse(&self, name: &str, reason: &str) -> Result<()> {
        match self.span(name) {
            Some(span) => Err(Error::new(span, format!("`{name}` {reason}"))),
            None => Ok(()),
        }
    }

    /// A time: milliseconds where it is a text, else an expression.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Time>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        if let Some(text) = text(value) {
            return Ok(Some(Time::Millis(duration::parse(text)?)));
        }
        if let Expr::Lit(literal) = value {
            let message = format!(
                "`{name}` is a time: a text such as \"5m\", or an expression that is a `Duration`"
            );
            return Err(Error::new_spanned(literal, message));
        }
        Ok(Some(Time::Expr(quote!(#value))))
    }
}

/// A time, as it was given.
pub(crate) enum Time {
    Millis(u64),
    Expr(TokenStream),
}

impl Time {
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::Millis(millis) => duration::tokens(*millis),
            Self::Expr(expr) => expr.clone(),
        }
    }
}

/// The text that an expression is.
pub(crate) fn text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

/// A `String` of a template, or of whatever is shown.
pub(crate) fn string(value: &Expr, function: &Function, larder: &Path) -> Result<TokenStream> {
    match text(value) {
        Some(text) => Ok(Template::parse(text, function)?.string(larder)),
        None => Ok(quote!(::std::string::ToString::to_string(&(#value)))),
    }
}

/// A `Vec<String>` of a list of templates and expressions, or of one expression that is a list.
pub(crate) fn strings(value: &Expr, function: &Function, larder: &Path) -> Result<TokenStream> {
    match value {
        Expr::Array(array) => {
            let strings = array
                .elems
                .iter()
                .map(|element| string(element, function, larder));
            let strings = strings.collect::<Result<Vec<_>>>()?;
            Ok(quote!(::std::vec![#(#strings),*]))
        }
        Expr::Lit(literal) => {
            let shown = quote!(#literal);
            Err(Error::new_spanned(
                literal,
                format!("a list is wanted: `[{shown}]`"),
            ))
        }
        _ => Ok(quote! {
            ::core::iter::Iterator::collect::<::std::vec::Vec<::std::string::String>>(
                ::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(#value),
                    |__text| ::std::string::ToString::to_string(&__text),
                )
            )
        }),
    }
}
