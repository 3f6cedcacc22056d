//! A call: a hit, or a load in which the function runs.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Result};

use crate::cached::{Cached, Source};
use crate::function::Argument;
use crate::options::{Time, strings};
use crate::shape::Shape;

/// The part of a call that is done before its function runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A hit is returned.
    Hit,
    /// It is loaded in any case.
    Refresh,
}

impl Cached {
    /// What the attribute says of one call, as an expression.
    pub(crate) fn with(&self, stage: Stage) -> Result<TokenStream> {
        let (options, private) = (&self.options, self.private());
        let some = |tokens: TokenStream| quote!(::core::option::Option::Some(#tokens));
        let mut fields = TokenStream::new();
        for name in ["ttl", "stale", "negative_ttl"] {
            let field = format_ident!("{name}");
            match options.time(name)? {
                // Then it is the cache's own.
                Some(Time::Millis(_))
                    if matches!(self.source, Source::Own) && name != "negative_ttl" => {}
                Some(time) => {
                    let time = some(time.tokens());
                    fields.extend(quote!(#field: #time,));
                }
                None => {}
            }
        }
        let of_each = |tags: &&Expr| options.has("batch") && matches!(tags, Expr::Closure(_));
        if let Some(tags) = options.value("tags").filter(|tags| !of_each(tags)) {
            let tags = strings(tags, &self.function, &self.larder)?;
            fields.extend(quote!(tags: #tags,));
        }
        if stage == Stage::Refresh {
            fields.extend(quote!(force: true,));
        }
        Ok(quote!(#private::With { #fields ..::core::default::Default::default() }))
    }

    /// An expression that is `Some((cache, key))`, or `None` where the function runs by itself; with
    /// [`Stage::Hit`] it returns hits.
    pub(crate) fn staged(&self, stage: Stage) -> Result<TokenStream> {
        let (private, value) = (self.private(), self.shape.value(&self.larder));
        let Shape {
            returns,
            outer,
            inner,
            ok,
            ..
        } = &self.shape;
        let none = quote!(break '__cached ::core::option::Option::None);
        let condition = self.condition(&none);
        let opened = self.opened(
            &quote!(_, #value),
            &quote!({
                __site.tell(&__error);
                break '__cached ::core::option::Option::None;
            }),
        )?;
        let key = self.key.statements(&self.function, &self.larder, &none);
        let hit = if self.spawns {
            quote!(hit_unless_due)
        } else {
            quote!(hit)
        };
        let hit = (stage == Stage::Hit).then(|| {
            quote! {
                if let ::core::option::Option::Some(__hit) = #private::#hit(__cache, __key) {
                    return <#returns as #private::Returned<#outer>>::ok(<#ok as #private::Held<#inner>>::of(__hit));
                }
            }
        });
        Ok(quote!('__cached: {
            #condition
            #opened
            #key
            #hit
            ::core::option::Option::Some((
                ::core::clone::Clone::clone(__cache),
                ::std::borrow::ToOwned::to_owned(__key),
            ))
        }))
    }

    /// A statement that does `otherwise` where this call does not use the cache.
    pub(crate) fn condition(&self, otherwise: &TokenStream) -> Option<TokenStream> {
        let condition = self.options.value("condition")?;
        Some(quote_spanned! {condition.span()=>
            let __wanted: bool = #condition;
            if !__wanted {
                #otherwise;
            }
        })
    }

    /// What follows a miss: `function` runs at most once.
    ///
    /// All of it is boxed where it is async, so that the future of a hit is small.
    pub(crate) fn answered(&self, stage: Stage) -> Result<TokenStream> {
        let rest = self.rest(stage)?;
        Ok(if self.function.is_async() {
            quote!(::std::boxed::Box::pin(async move { #rest }).await)
        } else {
            rest
        })
    }

    fn rest(&self, stage: Stage) -> Result<TokenStream> {
        let private = self.private();
        let with = self.with(stage)?;
        // Before the function, which takes the arguments.
        let staged = quote! {
            let __staged = match __staged {
                ::core::option::Option::Some((__cache, __key)) => {
                    ::core::option::Option::Some((__cache, __key, #with))
                }
                ::core::option::Option::None => ::core::option::Option::None,
            };
        };
        let Shape {
            returns,
            outer,
            inner,
            sharing,
            ok,
            settled,
        } = &self.shape;
        let span = self.function.returns_span();
        let optional = self
            .options
            .span("negative_ttl")
            .map(|span| quote_spanned!(span=> <#ok as #private::Optional>::check();));
        let function = self.as_closure();
        if self.spawns {
            let (owned, spawned) = self.spawned();
            let uncached = self.call_uncached(&self.forwarded());
            return Ok(quote_spanned! {span=>
                <#returns as #private::InBackground>::check();
                #settled
                #optional
                #staged
                match __staged {
                    ::core::option::Option::Some((__cache, __key, __with)) => {
                        #owned
                        #private::load_spawned::<_, _, _, _, _, _, #inner, #sharing>(
                            __cache, __key, __with, #spawned,
                        ).await
                    }
                    ::core::option::Option::None => #uncached.await,
                }
            });
        }
        Ok(if self.function.is_async() {
            quote_spanned! {span=>
                #settled
                #optional
                #staged
                let __function = #function;
                match __staged {
                    ::core::option::Option::Some((__cache, __key, __with)) => {
                        #private::load::<#returns, _, _, _, _, #outer, #inner, #sharing>(
                            __cache, __key, __with, __function,
                        ).await
                    }
                    ::core::option::Option::None => __function().await,
                }
            }
        } else {
            quote_spanned! {span=>
                #settled
                #optional
                #staged
                let __function = #function;
                match __staged {
                    ::core::option::Option::Some((__cache, __key, __with)) => {
                        #private::load_blocking::<#returns, _, _, _, #outer, #inner, #sharing>(
                            &__cache, &__key, &__with, __function,
                        )
                    }
                    ::core::option::Option::None => __function(),
                }
            }
        })
    }

    /// The function as a closure that owns its arguments.
    fn as_closure(&self) -> TokenStream {
        if !self.options.has("in_trait") {
            let call = self.call_uncached(&self.forwarded());
            return quote!(move || #call);
        }
        let returns = &self.function.returns;
        let patterns = self
            .function
            .item
            .sig
            .inputs
            .iter()
            .filter_map(|input| match input {
                syn::FnArg::Typed(typed) => Some(&typed.pat),
                syn::FnArg::Receiver(_) => None,
            });
        let rebound = patterns
            .zip(&self.function.arguments)
            .map(|(pattern, argument)| {
                let ident = &argument.ident;
                quote!(let #pattern = #ident;)
            });
        let rebound = quote!(#(#rebound)*);
        if self.function.is_async() {
            let body = self.function.async_body(&rebound);
            quote!(move || async move #body)
        } else {
            let body = self.function.body(&rebound);
            quote!(move || -> #returns #body)
        }
    }

    /// The arguments as they came.
    pub(crate) fn forwarded(&self) -> Vec<TokenStream> {
        let receiver = self.function.has_self().then(|| quote!(self));
        let arguments = self.function.arguments.iter();
        let arguments = arguments.map(|Argument { ident, .. }| quote!(#ident));
        receiver.into_iter().chain(arguments).collect()
    }

    pub(crate) fn call_uncached(&self, arguments: &[TokenStream]) -> TokenStream {
        let (scope, name) = (self.scope(), self.beside("uncached"));
        let turbofish = self.function.turbofish();
        quote!(#scope #name #turbofish(#(#arguments),*))
    }

    /// Owned copies of what the function is given, and the closure that calls it with them.
    fn spawned(&self) -> (TokenStream, TokenStream) {
        let mut owned = TokenStream::new();
        let mut arguments = Vec::new();
        if self.function.has_self() {
            if self.function.borrows_self() {
                owned.extend(quote!(let __self = ::core::clone::Clone::clone(self);));
                arguments.push(quote!(&__self));
            } else {
                owned.extend(quote!(let __self = self;));
                arguments.push(quote!(__self));
            }
        }
        for argument in &self.function.arguments {
            let (ident, span) = (&argument.ident, argument.ty.span());
            match argument.referred() {
                Some(of) => {
                    owned.extend(quote_spanned! {span=>
                        let #ident = <#of as ::std::borrow::ToOwned>::to_owned(#ident);
                    });
                    arguments.push(
                        quote_spanned!(span=> ::core::borrow::Borrow::<#of>::borrow(&#ident)),
                    );
                }
                None => arguments.push(quote!(#ident)),
            }
        }
        let call = self.call_uncached(&arguments);
        (owned, quote!(move || async move { #call.await }))
    }

    /// The function behind its cache.
    pub(crate) fn main(&self) -> Result<TokenStream> {
        let item = &self.function.item;
        let visibility = &item.vis;
        let attributes: Vec<_> = if self.options.has("in_trait") {
            item.attrs.clone()
        } else {
            self.function.outer_attributes().collect()
        };
        let (staged, answered) = (self.staged(Stage::Hit)?, self.answered(Stage::Hit)?);
        let signature = self.signature(self.function.name());
        Ok(quote! {
            #(#attributes)*
            #visibility #signature {
                let __staged = #staged;
                #answered
            }
        })
    }
}
