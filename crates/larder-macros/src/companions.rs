//! What stands beside a cached function.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Generics, Result};

use crate::cached::{Cached, Source};
use crate::call::Stage;
use crate::function::{Argument, mentions};
use crate::uses::names_in;

impl Cached {
    /// The function itself.
    pub(crate) fn uncached_item(&self) -> TokenStream {
        let item = &self.function.item;
        let mut signature = item.sig.clone();
        signature.ident = self.beside("uncached");
        let visibility = &item.vis;
        let attributes = self.function.body_attributes();
        let doc = self.text("The function itself: neither looked up nor stored.");
        // An argument that only the attribute uses is used.
        let used = self.options.names_used();
        let arguments = self.function.arguments.iter();
        let used = arguments
            .filter(|argument| argument.named && used.contains(&argument.name()))
            .map(|argument| &argument.ident);
        let body = self.function.body(&quote!(#(let _ = &#used;)*));
        quote! {
            #[allow(
                clippy::missing_errors_doc,
                clippy::missing_panics_doc,
                clippy::must_use_candidate,
                clippy::unused_async,
                reason = "its author wrote another function"
            )]
            #(#attributes)*
            #[doc = #doc]
            #visibility #signature #body
        }
    }

    /// Attributes of what stands beside the function.
    pub(crate) fn doc(&self, text: &str) -> TokenStream {
        let text = self.text(text);
        quote! {
            #[doc = #text]
            #[allow(dead_code, clippy::pedantic)]
        }
    }

    fn text(&self, text: &str) -> String {
        let text = format!(
            "{text}\n\nBeside [`{0}`](Self::{0}).",
            self.function.name().unraw()
        );
        if self.scope().is_empty() {
            text.replace("Self::", "")
        } else {
            text
        }
    }

    /// The arguments that a companion needs which does not run the function.
    fn key_inputs(&self) -> TokenStream {
        let receiver = self.function.has_self().then(|| quote!(&self,));
        let arguments = self.function.arguments.iter();
        let arguments = arguments.filter(|argument| argument.named && self.needs(&argument.name()));
        let arguments = arguments.map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
        quote!(#receiver #(#arguments),*)
    }

    /// The generics of a companion whose signature has `tokens`. What its arguments do not tell, its callers say:
    /// `count_invalidate::<Users>(1)`.
    pub(crate) fn generics(&self, tokens: &TokenStream) -> Generics {
        let (parameters, values) = (&self.parameters, self.of_each_call());
        self.function
            .generics_for(&quote!(#tokens #(#parameters)* #(#values)*))
    }

    pub(crate) fn companions(&self) -> Result<TokenStream> {
        let (larder, private, visibility) = (&self.larder, self.private(), &self.function.item.vis);
        let (inputs, value) = (self.key_inputs(), self.shape.value(larder));
        let attributes: Vec<_> = self.function.shared_attributes().collect();
        let types = quote!(_, #value);
        let key = |fail: &TokenStream| self.key.statements(&self.function, larder, fail);
        let found = quote!(::core::option::Option<#larder::Found<#value>>);
        let generics = self.generics(&quote!(#inputs #found));
        let clause = &generics.where_clause;

        let invalidate = {
            let fail = quote!(return #larder::Invalidation::failed(
                ::core::convert::Into::<#larder::Error>::into(__error)
            ));
            let (opened, key) = (self.opened(&types, &fail)?, key(&fail));
            let (name, doc) = (
                self.beside("invalidate"),
                self.doc(
                    "Removes the value of these arguments. It does nothing until it is awaited.",
                ),
            );
            quote! {
                #(#attributes)* #doc
                #visibility fn #name #generics(#inputs) -> #larder::Invalidation #clause {
                    #opened
                    #key
                    #private::one(
                        ::core::clone::Clone::clone(__cache),
                        ::std::borrow::ToOwned::to_owned(__key),
                    )
                }
            }
        };
        let lookup = {
            let fail = quote!({
                let _ = __error;
                return ::core::option::Option::None;
            });
            let (opened, key) = (self.opened(&types, &fail)?, key(&fail));
            let (name, doc) = (
                self.beside("lookup"),
                self.doc("The value of these arguments, with its outcome, if it is cached. Nothing is loaded."),
            );
            let asyncness = &self.function.item.sig.asyncness;
            let answer = if self.function.is_async() {
                quote!(__cache.lookup(__key).await)
            } else {
                quote!(::core::option::Option::flatten(#private::wait_for(__cache.lookup(__key))))
            };
            quote! {
                #(#attributes)* #doc
                #visibility #asyncness fn #name #generics(#inputs) -> #found #clause {
                    #opened
                    #key
                    #answer
                }
            }
        };
        let stored = {
            let fail = quote!(return ::core::result::Result::Err(
                ::core::convert::Into::<#larder::Error>::into(__error)
            ));
            let (opened, key) = (self.opened(&types, &fail)?, key(&fail));
            let (name, doc) = (
                self.beside("key"),
                self.doc("Where the value of these arguments lies, or would lie, on the server."),
            );
            quote! {
                #(#attributes)* #doc
                #visibility fn #name #generics(#inputs)
                    -> ::core::result::Result<#larder::key::StoredKey, #larder::Error> #clause
                {
                    #opened
                    #key
                    __cache.stored_key(__key)
                }
            }
        };
        let (refresh, handle) = (self.refresh()?, self.handle()?);
        Ok(quote!(#invalidate #lookup #stored #refresh #handle))
    }

    /// The companion that loads in any case.
    fn refresh(&self) -> Result<TokenStream> {
        let visibility = &self.function.item.vis;
        let attributes = self.function.shared_attributes();
        let doc = self.doc("Runs the function even where its value is cached, and replaces that.");
        let signature = self.signature(&self.beside("refresh"));
        let (staged, answered) = (self.staged(Stage::Refresh)?, self.answered(Stage::Refresh)?);
        Ok(quote! {
            #(#attributes)* #doc
            #visibility #signature {
                let __staged = #staged;
                #answered
            }
        })
    }

    /// The companion that opens the cache, where its type can be said.
    fn handle(&self) -> Result<TokenStream> {
        let key = match &self.source {
            Source::Passed(_) => None,
            _ if !self.function.item.sig.generics.params.is_empty() => None,
            _ => self.key.ty(&self.function, &self.larder),
        };
        let Some(key) = key.filter(|key| !mentions(key.clone(), "impl")) else {
            return Ok(TokenStream::new());
        };
        self.handle_of(&key, &self.shape.value(&self.larder))
    }

    pub(crate) fn handle_of(&self, key: &TokenStream, value: &TokenStream) -> Result<TokenStream> {
        if self.function.parameters().next().is_some() {
            return Ok(TokenStream::new());
        }
        let (larder, visibility) = (&self.larder, &self.function.item.vis);
        let (site, options) = (self.site(), self.builder()?);
        let opened = match self.options.value("larder") {
            Some(larder) => quote!(__site.within(&(#larder), #options)),
            None => quote!(__site.global(#options).cloned()),
        };
        let attributes = self.function.shared_attributes();
        let name = self.beside("cache");
        let doc = self.doc("Its cache, opened where it is not yet: at the start of a program, to see that it can be.");
        let inputs = self.function.arguments.iter().filter(|argument| {
            let larder = self.options.value("larder");
            larder.is_some_and(|larder| names_in(larder).contains(&argument.name()))
        });
        let inputs = inputs.map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
        let receiver = self.function.has_self().then(|| quote!(&self,));
        Ok(quote! {
            #(#attributes)* #doc
            #visibility fn #name(#receiver #(#inputs),*)
                -> ::core::result::Result<#larder::Cache<#key, #value>, #larder::Error>
            {
                let __site = #site;
                #opened
            }
        })
    }
}
