//! The cache of a function: where the function stands, and how the cache is opened.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Generics, Lit, Path, Result};

use crate::cached::{Cached, Source};
use crate::function::{mentions, turbofish};
use crate::key::kept_by_caller;
use crate::options::{Time, string, text};

impl Cached {
    fn site_name(&self) -> Ident {
        format_ident!("__larder_{}", self.function.name().unraw())
    }

    /// Where the function stands, as an expression.
    pub(crate) fn site(&self) -> TokenStream {
        if self.options.has("in_trait") {
            self.site_body()
        } else {
            let (scope, name) = (self.scope(), self.site_name());
            let turbofish = turbofish(&self.site_generics());
            quote!(#scope #name #turbofish())
        }
    }

    fn site_body(&self) -> TokenStream {
        let private = self.private();
        let optional = |text: Option<String>| match text {
            Some(text) => quote!(::core::option::Option::Some(#text)),
            None => quote!(::core::option::Option::None),
        };
        let function = self.function.name().unraw().to_string();
        let arguments = optional(
            self.key
                .names(&self.function)
                .filter(|names| !names.is_empty()),
        );
        let version = optional(self.version.clone());
        let name = optional(match &self.source {
            Source::Named(name) => Some(name.clone()),
            _ => None,
        });
        let (generic, kept) = (self.is_generic, self.kept());
        quote!({
            static __SLOT: #private::Slot<#kept> = #private::Slot::new();
            #private::Site {
                slot: &__SLOT,
                of: #private::whole(&|| ()),
                function: #function,
                arguments: #arguments,
                version: #version,
                name: #name,
                generic: #generic,
            }
        })
    }

    /// As what the cache is kept: as itself, if its type can be said and is the same at each call.
    fn kept(&self) -> TokenStream {
        let (larder, private) = (&self.larder, self.private());
        let may_vary = self.is_generic
            || !self.scope().is_empty()
            || !self.function.item.sig.generics.params.is_empty()
            || self.options.has("batch");
        let key = self.key.ty(&self.function, larder);
        match key.filter(|key| !may_vary && !mentions(key.clone(), "impl")) {
            Some(key) => {
                let value = self.shape.value(larder);
                quote!(#larder::Cache<#key, #value>)
            }
            None => quote!(#private::Erased),
        }
    }

    /// The parameters that tell the caches of one function apart.
    fn site_generics(&self) -> Generics {
        let parameters = &self.parameters;
        self.function.generics_for(&quote!(#(#parameters)*))
    }

    /// The function that says where all of them stand.
    pub(crate) fn site_item(&self) -> TokenStream {
        if matches!(self.source, Source::Passed(_)) {
            return TokenStream::new();
        }
        let (name, private, body) = (self.site_name(), self.private(), self.site_body());
        let kept = self.kept();
        let attributes = self.function.shared_attributes();
        let generics = self.site_generics();
        let clause = &generics.where_clause;
        quote! {
            #(#attributes)*
            #[doc(hidden)]
            #[inline]
            #[allow(non_snake_case)]
            fn #name #generics() -> #private::Site<#kept> #clause #body
        }
    }

    /// Statements that bind `__cache` to a reference to the cache, or do `fail`, which may name the `__error`.
    pub(crate) fn opened(&self, ty: &TokenStream, fail: &TokenStream) -> Result<TokenStream> {
        let larder = &self.larder;
        let opened = if let Source::Passed(cache) = &self.source {
            quote_spanned!(cache.span()=> let __cache: &#larder::Cache<#ty> = &(#cache);)
        } else {
            let (site, options) = (self.site(), self.builder()?);
            let open = match self.options.value("larder") {
                Some(larder) => quote!(__site.within(&(#larder), #options)),
                None => quote!(__site.global(#options)),
            };
            quote! {
                let __site = #site;
                let __opened = match #open {
                    ::core::result::Result::Ok(__opened) => __opened,
                    ::core::result::Result::Err(__error) => #fail,
                };
                let __cache: &#larder::Cache<#ty> = &__opened;
            }
        };
        let tenant = self
            .options
            .value("tenant")
            .map(|tenant| self.tenant(tenant))
            .transpose()?;
        let mark = self.at_the_mark();
        Ok(quote!(#mark #opened #tenant))
    }

    fn tenant(&self, tenant: &Expr) -> Result<TokenStream> {
        let name = match text(tenant) {
            Some(_) => string(tenant, &self.function, &self.larder)?,
            None => {
                let tenant_of = kept_by_caller(tenant, &self.function);
                quote_spanned!(tenant.span()=> #tenant_of)
            }
        };
        Ok(quote! {
            let __view = __cache.tenant(#name);
            let __cache = &__view;
        })
    }

    /// A closure from builder to builder.
    pub(crate) fn builder(&self) -> Result<TokenStream> {
        let (options, larder) = (&self.options, &self.larder);
        let mut calls = TokenStream::new();
        let mut call = |name: &str, tokens: TokenStream| {
            let name = format_ident!("{name}");
            calls.extend(quote!(.#name(#tokens)));
        };
        if matches!(self.source, Source::Own) {
            for name in ["ttl", "stale"] {
                if let Some(Time::Millis(millis)) = options.time(name)? {
                    call(name, Time::Millis(millis).tokens());
                }
            }
        }
        for name in ["soft_timeout", "load_timeout", "remote_soft_timeout"] {
            if let Some(time) = options.time(name)? {
                if let (Time::Millis(0), "load_timeout") = (&time, name) {
                    let message = "no load can take no time: a `load_timeout` is above zero";
                    return Err(Error::new_spanned(options.value(name), message));
                }
                call(name, time.tokens());
            }
        }
        if let Some(refresh) = options.value("refresh") {
            call("refresh", refresh_of(refresh, larder)?);
        }
        let private = self.private();
        let more = options.value("options").map(|more| {
            quote_spanned! {more.span()=>
                let __builder = #private::built(__builder, #more);
            }
        });
        Ok(quote!(|__builder| {
            let __builder = __builder #calls;
            #more
            __builder
        }))
    }
}

/// A share of the TTL, or an expression that is a `Refresh`.
fn refresh_of(value: &Expr, larder: &Path) -> Result<TokenStream> {
    let Expr::Lit(literal) = value else {
        return Ok(quote!(#value));
    };
    let share = match &literal.lit {
        Lit::Float(share) => share
            .base10_parse::<f64>()
            .ok()
            .filter(|share| *share > 0.0 && *share < 1.0),
        _ => None,
    };
    match share {
        Some(share) => Ok(quote!(#larder::Refresh::After(#share))),
        None => Err(Error::new_spanned(
            literal,
            "the share of the TTL after which a value is loaded anew, above 0.0 and below 1.0, or a `Refresh`",
        )),
    }
}
