//! The shape of what a function returns: found out by the compiler, or said where it depends on generics.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, GenericArgument, Path, PathArguments, Result, Type};

use crate::function::{Function, mentions};

/// What `returns = …` says: `_`, `Arc<_>`, `Option<_>`, or `Result<…>` of one of these.
#[derive(Clone, Copy)]
pub(crate) struct Said {
    is_result: bool,
    inner: u8,
}

const ALLOWED: &str = "say `_` for a value, `Arc<_>`, `Option<_>`, or `Result<_>` of one of them, as in \
                       `returns = Result<Arc<_>>`";

impl Said {
    pub(crate) fn parse(ty: &Type) -> Result<Self> {
        let wrong = || Error::new(ty.span(), ALLOWED);
        if let Some((name, within)) = generic(ty)
            && name == "Result"
        {
            let said = Self::parse(within)?;
            if said.is_result {
                return Err(wrong());
            }
            return Ok(Self {
                is_result: true,
                ..said
            });
        }
        let inner = match (ty, generic(ty)) {
            (Type::Infer(_), _) => 0,
            (_, Some((name, Type::Infer(_)))) if name == "Arc" => 1,
            (_, Some((name, Type::Infer(_)))) if name == "Option" => 2,
            _ => return Err(wrong()),
        };
        Ok(Self {
            is_result: false,
            inner,
        })
    }
}

impl Said {
    /// The two constants that say what a success is.
    pub(crate) fn success(self) -> (TokenStream, TokenStream) {
        let outer = u8::from(self.is_result);
        // A `Result` of anything succeeds where it is `Ok`.
        let inner = if self.is_result { 0 } else { self.inner };
        (quote!(#outer), quote!(#inner))
    }
}

/// `Name<Argument>`
fn generic(ty: &Type) -> Option<(String, &Type)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(within) if arguments.args.len() == 1 => {
            Some((last.ident.to_string(), within))
        }
        _ => None,
    }
}

/// The types and constants that follow from a return type, each as tokens.
pub(crate) struct Shape {
    /// The return type.
    pub(crate) returns: TokenStream,
    pub(crate) outer: TokenStream,
    pub(crate) inner: TokenStream,
    pub(crate) sharing: TokenStream,
    /// What it returns where there is no error.
    pub(crate) ok: TokenStream,
    /// A statement that compiles where no error is cached.
    pub(crate) settled: TokenStream,
}

impl Shape {
    pub(crate) fn of(function: &Function, said: Option<Said>, larder: &Path) -> Result<Self> {
        let (ty, span) = (&function.returns, function.returns_span());
        if mentions(quote!(#ty), "impl") {
            return Err(Error::new(
                span,
                "a cached value needs a type that can be named",
            ));
        }
        if matches!(ty, Type::Reference(_)) {
            return Err(Error::new(
                span,
                "a reference cannot be cached: return the value itself, or an `Arc` of it",
            ));
        }
        if let (None, Some(parameter)) = (said, function.parameter_in(ty)) {
            return Err(Error::new(
                span,
                format!(
                    "the return type depends on `{parameter}`, so it cannot be seen whether it is a \
                     `Result`: {ALLOWED}"
                ),
            ));
        }
        let returns = quote_spanned!(span=> #ty);
        let private = quote!(#larder::__private);
        let outer = match said {
            Some(said) => {
                let outer = u8::from(said.is_result);
                quote!(#outer)
            }
            None => quote_spanned!(span=> {
                #[allow(unused_imports)] use #private::IsPlain as _;
                #private::Probe::<#returns>::OUTER
            }),
        };
        let ok = quote_spanned!(span=> <#returns as #private::Returned<#outer>>::Ok);
        let error = quote_spanned!(span=> <#returns as #private::Returned<#outer>>::Error);
        let inner = match said {
            Some(Said { inner, .. }) => quote!(#inner),
            None => quote_spanned!(span=> {
                #[allow(unused_imports)] use #private::IsValue as _;
                #private::Probe::<#ok>::INNER
            }),
        };
        let sharing = match (said, written_error(ty)) {
            (Some(_), Some(written)) if function.parameter_in(written).is_none() => {
                quote_spanned!(span=> {
                    #[allow(unused_imports)] use #private::IsNotClone as _;
                    #private::Probe::<#written>::SHARING
                })
            }
            (Some(_), _) => quote!({ #private::CLONED }),
            (None, _) => quote_spanned!(span=> {
                #[allow(unused_imports)] use #private::IsNotClone as _;
                #private::Probe::<#error>::SHARING
            }),
        };
        let settled = match said {
            // What depends on generics is not known here.
            Some(_) => TokenStream::new(),
            None => settled(&ok, span, larder),
        };
        Ok(Self {
            returns,
            outer,
            inner,
            sharing,
            ok,
            settled,
        })
    }

    /// What the cache holds.
    pub(crate) fn value(&self, larder: &Path) -> TokenStream {
        let Self {
            returns,
            outer,
            inner,
            ..
        } = self;
        quote!(#larder::__private::ValueOf<#returns, #outer, #inner>)
    }
}

/// A statement that compiles where `ty` has no `Result` in it.
pub(crate) fn settled(ty: &TokenStream, span: Span, larder: &Path) -> TokenStream {
    let private = quote!(#larder::__private);
    quote_spanned! {span=>
        <#ty as #private::HoldsNoError<{
            #[allow(unused_imports)] use #private::IsSettled as _;
            #private::Probe::<#ty>::NESTED
        }>>::check();
    }
}

/// The second argument of `Result<T, E>`, where it is written like that.
fn written_error(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.iter().nth(1)? {
        GenericArgument::Type(error) => Some(error),
        _ => None,
    }
}
