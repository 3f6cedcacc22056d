//! The function under an attribute, as far as its text tells.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Block, Error, FnArg, GenericParam, Generics, ItemFn, Meta, Pat, ReceiverKind,
    Result, ReturnType, Safety, Type, WherePredicate,
};

/// A function or method with a body.
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returns: Type,
}

/// An argument other than `self`.
pub(crate) struct Argument {
    /// What it is called here; where it is a pattern, something that nobody else uses.
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Whether it has a name.
    pub(crate) named: bool,
}

impl Argument {
    /// Its name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// What it refers to, where it is a reference.
    pub(crate) fn referred(&self) -> Option<&Type> {
        match &self.ty {
            Type::Reference(reference) => Some(&reference.elem),
            _ => None,
        }
    }

    /// Whether its type is this parameter, or a reference to it.
    pub(crate) fn is_of(&self, parameter: &Ident) -> bool {
        let ty = self.referred().unwrap_or(&self.ty);
        matches!(ty, Type::Path(path) if path.path.is_ident(parameter))
    }

    pub(crate) fn is_mutable(&self) -> bool {
        matches!(&self.ty, Type::Reference(reference) if reference.mutability.is_some())
    }

    /// Whether there are references or lifetimes in it, but for one around it.
    pub(crate) fn borrows_within(&self) -> bool {
        let within = self.referred().unwrap_or(&self.ty);
        any_token(
            within.to_token_stream(),
            &|token| matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), '&' | '\'')),
        )
    }
}

impl Function {
    /// Reads what stands under `#[attribute]`.
    pub(crate) fn parse(attribute: &str, item: TokenStream) -> Result<Self> {
        if let Ok(method) = syn::parse2::<syn::TraitItemFn>(item.clone())
            && method.default.is_none()
        {
            let message =
                format!("`{attribute}` needs the function's body: put it on the implementation");
            return Err(Error::new(method.sig.ident.span(), message));
        }
        let Ok(item) = syn::parse2::<ItemFn>(item) else {
            let message = format!("`{attribute}` is for functions and methods");
            return Err(Error::new(Span::call_site(), message));
        };
        let signature = &item.sig;
        if let Some(constness) = &signature.constness {
            return Err(Error::new(
                constness.span(),
                "a `const fn` can use no cache",
            ));
        }
        if let Safety::Unsafe(token) = &signature.safety {
            return Err(Error::new(
                token.span(),
                format!("`{attribute}` is not for `unsafe` functions"),
            ));
        }
        if let Some(variadic) = &signature.variadic {
            return Err(Error::new(variadic.span(), "the arguments must be known"));
        }
        let returns = match &signature.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        if is_boxed_future(&returns) {
            return Err(Error::new(
                returns.span(),
                format!(
                    "a future in a box is no value; where `#[async_trait]` made it of an `async fn`, put \
                     `{attribute}` on an `async fn` of the type's own, and call that one here"
                ),
            ));
        }
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        let arguments = typed.enumerate().map(|(at, typed)| {
            let (ident, named) = match &*typed.pat {
                Pat::Ident(pat) if pat.subpat.is_none() => (pat.ident.clone(), true),
                _ => (format_ident!("__argument_{at}"), false),
            };
            Argument {
                ident,
                ty: (*typed.ty).clone(),
                named,
            }
        });
        Ok(Self {
            arguments: arguments.collect(),
            returns,
            item,
        })
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.item.sig.ident
    }

    pub(crate) fn is_async(&self) -> bool {
        self.item.sig.asyncness.is_some()
    }

    pub(crate) fn has_self(&self) -> bool {
        self.item.sig.receiver().is_some()
    }

    /// Whether `self` is a reference.
    pub(crate) fn borrows_self(&self) -> bool {
        let receiver = self.item.sig.receiver();
        receiver.is_some_and(|receiver| matches!(receiver.kind, ReceiverKind::Reference(..)))
    }

    /// The names of the arguments.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let named = self.arguments.iter().filter(|argument| argument.named);
        named.map(Argument::name)
    }

    /// Where the return type stands.
    pub(crate) fn returns_span(&self) -> Span {
        self.returns.span()
    }

    /// A type parameter that `tokens` mention.
    pub(crate) fn parameter_in(&self, tokens: &impl ToTokens) -> Option<&Ident> {
        let mut parameters = self.item.sig.generics.type_params();
        parameters
            .find(|parameter| mentions(tokens.to_token_stream(), &parameter.ident.to_string()))
            .map(|parameter| &parameter.ident)
    }

    /// The inputs with a name for each, for a function that passes them on, or has the body within it.
    pub(crate) fn inputs(&self, has_body: bool) -> TokenStream {
        let receiver = self.item.sig.receiver().cloned().map(|mut receiver| {
            if !has_body {
                receiver.mutability = None;
            }
            quote!(#receiver,)
        });
        let arguments = self
            .arguments
            .iter()
            .map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
        quote!(#receiver #(#arguments),*)
    }

    /// The type and const parameters as arguments.
    pub(crate) fn turbofish(&self) -> TokenStream {
        turbofish(&self.item.sig.generics)
    }

    /// The type and const parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Ident> {
        parameters(&self.item.sig.generics)
    }

    /// The generics that a function needs which has no more of this one than `tokens`.
    pub(crate) fn generics_for(&self, tokens: &TokenStream) -> Generics {
        let mut generics = self.item.sig.generics.clone();
        let mut needed: Vec<String> = Vec::new();
        loop {
            let before = needed.len();
            for parameter in &generics.params {
                let name = name_of(parameter);
                let within = generics
                    .params
                    .iter()
                    .filter(|other| needed.contains(&name_of(other)));
                let asked = mentions(tokens.clone(), &name)
                    || within
                        .clone()
                        .any(|other| mentions(other.to_token_stream(), &name));
                if asked && !needed.contains(&name) {
                    needed.push(name);
                }
            }
            if needed.len() == before {
                break;
            }
        }
        let dropped: Vec<String> = generics.params.iter().map(name_of).collect();
        let dropped: Vec<_> = dropped
            .into_iter()
            .filter(|name| !needed.contains(name))
            .collect();
        generics.params = generics
            .params
            .into_iter()
            .filter(|it| needed.contains(&name_of(it)))
            .collect();
        if let Some(clause) = &mut generics.where_clause {
            let keep = |predicate: &WherePredicate| {
                let tokens = predicate.to_token_stream();
                !dropped.iter().any(|name| mentions(tokens.clone(), name))
            };
            clause.predicates = clause.predicates.clone().into_iter().filter(keep).collect();
        }
        generics
    }

    /// The body with `before` at its beginning.
    pub(crate) fn body(&self, before: &TokenStream) -> Block {
        let mut block = (*self.item.block).clone();
        let first: Block = syn::parse_quote!({ #before });
        block.stmts.splice(0..0, first.stmts);
        block
    }

    /// The body for an `async` block, which does not know what it returns: a type in its first statement says
    /// so. Else a `Box<dyn Error>` would have to be named in each `Err(…)`.
    pub(crate) fn async_body(&self, before: &TokenStream) -> Block {
        let returns = &self.returns;
        let typed = quote_spanned! {self.returns_span()=>
            #[allow(unknown_lints, unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop,
                clippy::let_unit_value, clippy::needless_return, clippy::unreachable)]
            if false {
                let __returned: #returns = loop {};
                return __returned;
            }
        };
        self.body(&quote!(#before #typed))
    }

    /// The attributes of a function that calls this one's body: an expectation is met where the body is.
    pub(crate) fn outer_attributes(&self) -> impl Iterator<Item = Attribute> {
        self.item.attrs.iter().map(allowed)
    }

    /// The attributes that everything beside the function has as well.
    pub(crate) fn shared_attributes(&self) -> impl Iterator<Item = Attribute> {
        self.attributes(&["cfg", "allow", "expect"]).map(allowed)
    }

    /// The attributes that belong to its body.
    pub(crate) fn body_attributes(&self) -> impl Iterator<Item = Attribute> {
        const LINTS: [&str; 6] = ["cfg", "allow", "expect", "warn", "deny", "forbid"];
        self.attributes(&LINTS).map(|attribute| {
            // What is beside it is allowed to be dead, and so keeps it alive.
            let of_life = ["dead_code", "unused"].iter().any(|lint| {
                matches!(&attribute.meta, Meta::List(list) if mentions(list.tokens.clone(), lint))
            });
            if of_life {
                allowed(attribute)
            } else {
                attribute.clone()
            }
        })
    }

    fn attributes(&self, names: &'static [&'static str]) -> impl Iterator<Item = &Attribute> {
        let attributes = self.item.attrs.iter();
        attributes.filter(|attribute| names.iter().any(|name| attribute.path().is_ident(name)))
    }
}

/// `#[allow(…)]` of an `#[expect(…)]`, and any other as it is.
fn allowed(attribute: &Attribute) -> Attribute {
    let mut attribute = attribute.clone();
    if let Meta::List(list) = &mut attribute.meta
        && list.path.is_ident("expect")
    {
        list.path = Ident::new("allow", list.path.span()).into();
    }
    attribute
}

fn parameters(generics: &Generics) -> impl Iterator<Item = &Ident> {
    generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
}

/// Whether it is a `Pin<Box<dyn Future<…>>>`.
fn is_boxed_future(ty: &Type) -> bool {
    let is_pin = match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Pin"),
        _ => false,
    };
    let tokens = ty.to_token_stream();
    is_pin
        && ["Box", "dyn", "Future"]
            .iter()
            .all(|name| mentions(tokens.clone(), name))
}

/// Type and const parameters as arguments.
pub(crate) fn turbofish(generics: &Generics) -> TokenStream {
    let parameters: Vec<_> = parameters(generics).collect();
    if parameters.is_empty() {
        TokenStream::new()
    } else {
        quote!(::<#(#parameters),*>)
    }
}

fn name_of(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
        GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
    }
}

/// Whether a type or a bound mentions a name.
pub(crate) fn mentions(tokens: TokenStream, name: &str) -> bool {
    any_token(
        tokens,
        &|token| matches!(token, TokenTree::Ident(ident) if ident.unraw() == name),
    )
}

fn any_token(tokens: TokenStream, is_it: &impl Fn(&TokenTree) -> bool) -> bool {
    tokens.into_iter().any(|token| match &token {
        TokenTree::Group(group) => any_token(group.stream(), is_it),
        other => is_it(other),
    })
}
