//! What a call's key is made of.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Path, Result};

use crate::function::{Argument, Function};
use crate::options::{Options, text};
use crate::template::Template;
use crate::uses::{names_in, root_of};

/// The most arguments that make a key by themselves: as many as a tuple that can be compared has.
const MOST: usize = 12;

/// How a key is made.
pub(crate) enum Key {
    /// Of the arguments, in their order.
    Arguments(Vec<usize>),
    Template(Template),
    Expr(Expr),
}

impl Key {
    pub(crate) fn of(options: &Options, function: &Function) -> Result<Self> {
        let skipped = options.names("skip");
        if let Some(value) = options.value("key") {
            let is_parameter = |name: &&Ident| function.parameters().any(|it| it == *name);
            if let Some(first) = skipped.iter().find(|name| !is_parameter(name)) {
                return Err(Error::new(
                    first.span(),
                    "`skip` says what is no part of the key that the arguments make; with `key` there is \
                     nothing to skip",
                ));
            }
            return match text(value) {
                None => Ok(Self::Expr(value.clone())),
                Some(text) => {
                    let template = Template::parse(text, function)?;
                    if template.is_constant() && !function.arguments.is_empty() {
                        return Err(Error::new(
                            text.span(),
                            "the key names no argument, so all calls would share one value; where that is \
                             meant, write `key = ()`",
                        ));
                    }
                    Ok(Self::Template(template))
                }
            };
        }
        for name in skipped {
            let is_self = name == "self" && function.has_self();
            if !is_self
                && !function.parameters().any(|parameter| parameter == name)
                && !function.names().any(|known| name.unraw() == known)
            {
                return Err(Error::new(
                    name.span(),
                    format!("there is no argument `{name}`"),
                ));
            }
        }
        let parts = function.arguments.iter().enumerate();
        let parts = parts.filter(|(_, argument)| {
            !is_skipped(options, argument) && !stands_elsewhere(options, argument)
        });
        let parts: Vec<_> = parts.map(|(at, _)| at).collect();
        for at in &parts {
            let argument = &function.arguments[*at];
            if !argument.named {
                return Err(Error::new(
                    argument.ty.span(),
                    "an argument without a name cannot be part of the key: name it, or say the `key`",
                ));
            }
            if argument.is_mutable() {
                let name = &argument.ident;
                return Err(Error::new(
                    argument.ty.span(),
                    format!(
                        "what `{name}` refers to may change, so it is no part of a key: `skip({name})`, or \
                         say the `key`"
                    ),
                ));
            }
        }
        if parts.len() > MOST {
            let message =
                format!("a key of more than {MOST} arguments: say the `key`, or `skip` some");
            return Err(Error::new(function.name().span(), message));
        }
        Ok(Self::Arguments(parts))
    }

    /// The names of the arguments that make the key by themselves.
    pub(crate) fn names(&self, function: &Function) -> Option<String> {
        match self {
            Self::Arguments(parts) => {
                let names = parts.iter().map(|at| function.arguments[*at].name());
                Some(names.collect::<Vec<_>>().join(","))
            }
            _ => None,
        }
    }

    /// Whether it has to do with the argument, or `self`.
    pub(crate) fn needs(&self, name: &str, function: &Function) -> bool {
        match self {
            Self::Arguments(parts) => parts
                .iter()
                .any(|at| function.arguments[*at].name() == name),
            Self::Template(template) => template.roots().any(|root| root == name),
            Self::Expr(expr) => names_in(expr).contains(name),
        }
    }

    /// Its owned type, where that can be said.
    pub(crate) fn ty(&self, function: &Function, larder: &Path) -> Option<TokenStream> {
        match self {
            Self::Template(_) => Some(quote!(::std::string::String)),
            Self::Expr(_) => None,
            Self::Arguments(parts) => {
                let of = |at: &usize| owned_type(&function.arguments[*at]);
                if parts
                    .iter()
                    .any(|at| function.arguments[*at].borrows_within())
                {
                    return Some(quote!(#larder::key::AnyKey));
                }
                match parts.as_slice() {
                    [one] => Some(of(one)),
                    several => {
                        let types = several.iter().map(of);
                        Some(quote!((#(#types),*)))
                    }
                }
            }
        }
    }

    /// Statements that bind `__key` to a reference to it. `fail` is what happens where it cannot be written,
    /// and may name the `__error`.
    pub(crate) fn statements(
        &self,
        function: &Function,
        larder: &Path,
        fail: &TokenStream,
    ) -> TokenStream {
        let private = quote!(#larder::__private);
        match self {
            Self::Template(template) => {
                let text = template.tokens(larder);
                quote! {
                    let __text = #text;
                    let __key: &::core::primitive::str = __text.as_str();
                }
            }
            Self::Expr(expr) => {
                let value = kept_by_caller(expr, function);
                quote_spanned! {expr.span()=>
                    let __key = #private::KeyOf(#value);
                    let __key = { #[allow(unused_imports)] use #private::Borrowed as _; __key.key() };
                }
            }
            Self::Arguments(parts) => {
                let arguments: Vec<_> = parts.iter().map(|at| &function.arguments[*at]).collect();
                if arguments.iter().any(|argument| argument.borrows_within()) {
                    let parts = arguments
                        .iter()
                        .map(|Argument { ident, .. }| quote!(&#ident));
                    // One alone is itself, not a list of one.
                    let whole = match arguments.as_slice() {
                        [one] => {
                            let ident = &one.ident;
                            quote!(&#ident)
                        }
                        _ => quote!(&(#(#parts),*)),
                    };
                    return quote! {
                        let __key = match #larder::key::AnyKey::new(#whole) {
                            ::core::result::Result::Ok(__key) => __key,
                            ::core::result::Result::Err(__error) => #fail,
                        };
                        let __key = &__key;
                    };
                }
                let checks = arguments.iter().map(|Argument { ident, ty, .. }| {
                    // Named by the compiler where it cannot be: each argument by itself.
                    quote_spanned!(ty.span()=> #private::key_part(&#ident);)
                });
                let key = match arguments.as_slice() {
                    [one] => {
                        let (ident, span) = (&one.ident, one.ty.span());
                        match one.referred() {
                            Some(_) => quote_spanned!(span=> let __key = #ident;),
                            None => quote_spanned!(span=> let __key = &#ident;),
                        }
                    }
                    several => {
                        let parts = several.iter().map(|argument| owned(argument));
                        quote!(let __key = &(#(#parts),*);)
                    }
                };
                quote!(#(#checks)* #key)
            }
        }
    }
}

/// Whether an argument is said to be no part of the key.
pub(crate) fn is_skipped(options: &Options, argument: &Argument) -> bool {
    let mut skipped = options.names("skip").iter();
    skipped.any(|name| name.unraw() == argument.name())
}

/// Whether an argument is in the key's place already: it is what the larder or the cache is taken from, or the
/// tenant. What only has a say in it, as `id` has in `self.larders[id % 2]`, is not.
pub(crate) fn stands_elsewhere(options: &Options, argument: &Argument) -> bool {
    let name = argument.name();
    let is_it = |value: &Expr| root_of(value).is_some_and(|root| root == name);
    let taken_from = ["larder", "cache"]
        .iter()
        .any(|option| options.value(option).is_some_and(is_it));
    let is_tenant = options.value("tenant").is_some_and(|tenant| {
        match text(tenant) {
            // A template keeps its arguments apart, so each is there as a whole.
            Some(text) => text.value().contains(&format!("{{{name}}}")),
            None => is_it(tenant) && !has_field(tenant),
        }
    });
    taken_from || is_tenant
}

fn has_field(value: &Expr) -> bool {
    match value {
        Expr::Field(_) => true,
        Expr::Reference(reference) => has_field(&reference.expr),
        Expr::Paren(paren) => has_field(&paren.expr),
        Expr::Unary(unary) => has_field(&unary.expr),
        _ => false,
    }
}

fn owned_type(argument: &Argument) -> TokenStream {
    let ty = &argument.ty;
    match argument.referred() {
        Some(of) => quote!(<#of as ::std::borrow::ToOwned>::Owned),
        None => quote!(#ty),
    }
}

fn owned(argument: &Argument) -> TokenStream {
    let (ident, span) = (&argument.ident, argument.ty.span());
    match argument.referred() {
        Some(_) => quote_spanned!(span=> ::std::borrow::ToOwned::to_owned(#ident)),
        None => quote_spanned!(span=> ::core::clone::Clone::clone(&#ident)),
    }
}

/// An expression that leaves the arguments where they are: the function still needs them.
pub(crate) fn kept_by_caller(expr: &Expr, function: &Function) -> TokenStream {
    let reference = |ident: &Ident| {
        let mut arguments = function.arguments.iter();
        arguments.any(|argument| argument.ident == *ident && argument.referred().is_some())
    };
    let name = |expr: &Expr| match expr {
        Expr::Path(path) => path.path.get_ident().cloned(),
        _ => None,
    };
    match expr {
        Expr::Path(_) if name(expr).is_some_and(|ident| reference(&ident)) => quote!(#expr),
        Expr::Path(_) | Expr::Field(_) => quote!(&#expr),
        Expr::Tuple(tuple) => {
            let parts = tuple.elems.iter().map(|part| match part {
                Expr::Path(_) if name(part).is_some_and(|ident| reference(&ident)) => {
                    quote!(::std::borrow::ToOwned::to_owned(#part))
                }
                Expr::Path(_) | Expr::Field(_) => quote!(::core::clone::Clone::clone(&#part)),
                other => quote!(#other),
            });
            match tuple.elems.len() {
                1 => quote!((#(#parts),*,)),
                _ => quote!((#(#parts),*)),
            }
        }
        other => quote!(#other),
    }
}
