//! `#[cached(batch = ids)]`: a function of a list of keys.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, GenericArgument, PathArguments, Result, Type};

use crate::cached::Cached;
use crate::call::Stage;
use crate::function::Argument;
use crate::key::{is_skipped, stands_elsewhere};
use crate::shape::{Shape, settled};

/// A list of keys: its argument, and the type of its elements.
struct List<'a> {
    at: usize,
    argument: &'a Argument,
    element: &'a Type,
    is_slice: bool,
}

pub(crate) fn expand(cached: &Cached) -> Result<TokenStream> {
    let list = list_of(cached)?;
    let options = &cached.options;
    for (name, reason) in [
        (
            "key",
            "cannot be said for a batch: each element of the list is a key",
        ),
        (
            "spawn",
            "is not for a batch: its load runs in its caller's task",
        ),
        (
            "refresh",
            "is not for a batch: its load runs in its caller's task",
        ),
        (
            "soft_timeout",
            "is not for a batch: its load runs in its caller's task",
        ),
        (
            "negative_ttl",
            "is not for a batch: what has no value is left out",
        ),
        (
            "in_trait",
            "is not for a batch: put the attribute on a method of the type's own, and call that one",
        ),
    ] {
        options.refuse(name, reason)?;
    }
    for argument in &cached.function.arguments {
        let name = &argument.ident;
        if argument.ident != list.argument.ident
            && !is_skipped(options, argument)
            && !stands_elsewhere(options, argument)
        {
            return Err(Error::new(
                argument.ty.span(),
                format!(
                    "`{name}` is no part of the keys, which are the elements of `{}`: `skip({name})`, or \
                         make it the `tenant`",
                    list.argument.ident
                ),
            ));
        }
    }
    if !cached.function.is_async() {
        return Err(Error::new(
            cached.function.name().span(),
            "a batch needs an async function",
        ));
    }
    let main = main(cached, &list)?;
    let (site, mark) = (cached.site_item(), cached.mark_item());
    let uncached = cached.uncached_item();
    let invalidate = invalidate(cached, &list)?;
    Ok(quote!(#main #mark #site #uncached #invalidate))
}

fn list_of(cached: &Cached) -> Result<List<'_>> {
    let Some(Expr::Path(path)) = cached.options.value("batch") else {
        let message = "the argument that is the list of keys: `batch = ids`";
        return Err(Error::new_spanned(cached.options.value("batch"), message));
    };
    let mut arguments = cached.function.arguments.iter().enumerate();
    let Some((at, argument)) = arguments.find(|(_, argument)| path.path.is_ident(&argument.ident))
    else {
        return Err(Error::new_spanned(path, "there is no such argument"));
    };
    let element = match (&argument.ty, argument.referred()) {
        (_, Some(Type::Slice(slice))) => Some((&*slice.elem, true)),
        (Type::Path(path), _) => path
            .path
            .segments
            .last()
            .and_then(|last| match &last.arguments {
                PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
                    Some(GenericArgument::Type(element)) => Some((element, false)),
                    _ => None,
                },
                _ => None,
            }),
        _ => None,
    };
    let Some((element, is_slice)) = element else {
        let message = "a list of keys is a `&[K]`, a `Vec<K>` or another collection of `K`";
        return Err(Error::new(argument.ty.span(), message));
    };
    Ok(List {
        at,
        argument,
        element,
        is_slice,
    })
}

/// The types of what a batch brings: an element, and what a value is.
fn item(cached: &Cached) -> (TokenStream, TokenStream) {
    let (private, ok) = (cached.private(), &cached.shape.ok);
    let element = quote!(<#ok as ::core::iter::IntoIterator>::Item);
    let item = if cached.options.has("by") {
        element
    } else {
        quote!(<#element as #private::Pair>::Item)
    };
    let inner = quote!({
        #[allow(unused_imports)] use #private::IsValue as _;
        #private::Probe::<#item>::INNER
    });
    (item, inner)
}

/// What tells a value's own tags.
fn tags(cached: &Cached, item: &TokenStream, inner: &TokenStream) -> TokenStream {
    let private = cached.private();
    match cached.options.value("tags") {
        Some(Expr::Closure(tags)) => {
            let value = quote!(<#item as #private::Held<#inner>>::Value);
            quote_spanned!(tags.span()=> #private::tags_by::<#value, _>(#tags))
        }
        _ => quote!(#private::no_tags),
    }
}

fn main(cached: &Cached, list: &List<'_>) -> Result<TokenStream> {
    let item_fn = &cached.function.item;
    let visibility = &item_fn.vis;
    let attributes = cached.function.outer_attributes();
    let (private, span) = (cached.private(), cached.function.returns_span());
    let Shape {
        returns,
        outer,
        sharing,
        ..
    } = &cached.shape;
    let (item, inner) = item(cached);
    let (ids, element) = (&list.argument.ident, list.element);
    let fail = quote!({
        __site.tell(&__error);
        break '__cached;
    });
    let opened = cached.opened(
        &quote!(#element, <#item as #private::Held<#inner>>::Value),
        &fail,
    )?;
    let with = cached.with(Stage::Hit)?;
    let condition = cached.condition(&quote!(break '__cached));
    let tags = tags(cached, &item, &inner);
    // Called once for what is missing, and again for what another call did not bring: so each call has
    // arguments of its own.
    let mut copies = TokenStream::new();
    let mut arguments = cached.forwarded();
    let before = usize::from(cached.function.has_self());
    for (at, argument) in cached.function.arguments.iter().enumerate() {
        let name = &argument.ident;
        if at == list.at {
            arguments[before + at] = if list.is_slice {
                quote!(&__missing)
            } else {
                quote!(::core::iter::Iterator::collect(
                    ::core::iter::IntoIterator::into_iter(__missing)
                ))
            };
        } else if argument.is_mutable() {
            let message = "a batch may load several times, and cannot borrow what may change";
            return Err(Error::new(argument.ty.span(), message));
        } else if argument.referred().is_none() {
            copies.extend(quote!(let #name = ::core::clone::Clone::clone(&#name);));
        }
    }
    let call = cached.call_uncached(&arguments);
    let error = quote!(<#returns as #private::Returned<#outer>>::Error);
    let listed = if list.is_slice {
        quote!(#ids)
    } else {
        quote!(&#ids)
    };
    let uncached = cached.call_uncached(&cached.forwarded());
    let (pairs, given) = match cached.options.value("by") {
        Some(by) => (
            quote_spanned!(by.span()=> #private::pairs_by::<_, _, #inner>(__brought, #by)),
            quote!(<#item as #private::Held<#inner>>::of(__value)),
        ),
        None => (
            quote_spanned!(span=> #private::pairs::<_, #inner>(__brought)),
            quote!((__key, <#item as #private::Held<#inner>>::of(__value))),
        ),
    };
    let signature = cached.signature(cached.function.name());
    let settled = settled(&item, span, &cached.larder);
    Ok(quote! {
        #(#attributes)*
        #visibility #signature {
            <#returns as #private::InBackground>::check();
            #settled
            '__cached: {
                #condition
                #opened
                let __keys: ::std::vec::Vec<#element> = ::core::iter::Iterator::collect(
                    ::core::iter::Iterator::cloned(::core::iter::IntoIterator::into_iter(#listed)),
                );
                let __with = #with;
                let __found = ::std::boxed::Box::pin(#private::load_many::<_, _, #error, _, _, _, #sharing>(
                    __cache,
                    &__keys,
                    &__with,
                    #tags,
                    |__missing| {
                        #copies
                        async move {
                            match #call.await {
                                ::core::result::Result::Ok(__brought) => ::core::result::Result::Ok(#pairs),
                                ::core::result::Result::Err(__error) => ::core::result::Result::Err(__error),
                            }
                        }
                    },
                )).await?;
                return ::core::result::Result::Ok(::core::iter::Iterator::collect(
                    ::core::iter::Iterator::map(
                        ::core::iter::IntoIterator::into_iter(__found),
                        |(__key, __value)| #given,
                    ),
                ));
            }
            ::std::boxed::Box::pin(#uncached).await
        }
    })
}

fn invalidate(cached: &Cached, list: &List<'_>) -> Result<TokenStream> {
    let (larder, private) = (&cached.larder, cached.private());
    let visibility = &cached.function.item.vis;
    let (item, inner) = item(cached);
    let (ids, element) = (&list.argument.ident, list.element);
    let value = quote!(<#item as #private::Held<#inner>>::Value);
    let fail = quote!(return #larder::Invalidation::failed(__error));
    let opened = cached.opened(&quote!(#element, #value), &fail)?;
    let attributes: Vec<_> = cached.function.shared_attributes().collect();
    let name = cached.beside("invalidate");
    let doc = cached.doc("Removes the values of these keys. It does nothing until it is awaited.");
    let receiver = cached.function.has_self().then(|| quote!(&self,));
    // In the function's order, as beside any other.
    let inputs = cached.function.arguments.iter().filter_map(|argument| {
        let Argument { ident, ty, .. } = argument;
        if ident == ids {
            Some(quote!(#ids: &[#element]))
        } else {
            cached.needs(&argument.name()).then(|| quote!(#ident: #ty))
        }
    });
    let inputs = quote!(#receiver #(#inputs),*);
    let generics = cached.generics(&quote!(#inputs #value));
    let clause = &generics.where_clause;
    let handle = if cached
        .options
        .value("cache")
        .is_some_and(|cache| crate::options::text(cache).is_none())
    {
        TokenStream::new()
    } else {
        cached.handle_of(&quote!(#element), &value)?
    };
    Ok(quote! {
        #(#attributes)* #doc
        #visibility fn #name #generics(#inputs) -> #larder::Invalidation #clause {
            #opened
            #private::many(::core::clone::Clone::clone(__cache), ::std::borrow::ToOwned::to_owned(#ids))
        }
        #handle
    })
}
