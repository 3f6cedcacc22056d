//! `#[invalidates]`: what a function makes outdated goes once it has succeeded.
//!
//! What is to be invalidated is decided before the function runs, since that may consume its arguments.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Ident, Member, Path, Result};

use crate::function::{Function, mentions};
use crate::key::kept_by_caller;
use crate::options::{Known, Options, string, strings, text};
use crate::shape::Said;
use crate::template::Template;

const KNOWN: Known = Known {
    attribute: "invalidates",
    values: &[
        "cache",
        "key",
        "keys",
        "pattern",
        "patterns",
        "tags",
        "tenants",
        "tenant",
        "larder",
        "condition",
        "crate",
    ],
    switches: &["all"],
    lists: &[],
    types: &["returns"],
    calls: true,
};

/// What needs a cache.
const IN_A_CACHE: [&str; 5] = ["key", "keys", "pattern", "patterns", "all"];

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function = Function::parse("invalidates", item)?;
    let options = KNOWN.parse(attribute)?;
    let larder = options.larder()?;
    check(&options, &function)?;
    let tasks = tasks(&options, &function, &larder)?;
    let succeeds = succeeds(&options, &function, &larder)?;

    let item = &function.item;
    let (attributes, visibility, signature) = (&item.attrs, &item.vis, &item.sig);
    let (block, returns, name) = (&item.block, &function.returns, function.name().to_string());
    let body = function.async_body(&TokenStream::new());
    let condition = options
        .value("condition")
        .map_or_else(|| quote!(true), |it| quote!(#it));
    let private = quote!(#larder::__private);
    let (run, end) = if function.is_async() {
        (
            quote!((async move #body).await),
            quote!(#private::all(#name, &__TOLD, __tasks).await),
        )
    } else {
        (
            quote!((move || -> #returns #block)()),
            quote!(#private::all_blocking(#name, &__TOLD, __tasks)),
        )
    };
    Ok(quote! {
        #(#attributes)*
        #visibility #signature {
            static __TOLD: #private::Told = #private::Told::new();
            let mut __tasks: ::std::vec::Vec<#private::Task> = ::std::vec::Vec::new();
            if #condition {
                #tasks
            }
            let __returned: #returns = #run;
            if #succeeds {
                #end;
            }
            __returned
        }
    })
}

fn check(options: &Options, function: &Function) -> Result<()> {
    let whats = IN_A_CACHE.iter().chain(&["tags", "tenants"]);
    if options.calls.is_empty() && !whats.clone().any(|what| options.has(what)) {
        return Err(Error::new(
            function.name().span(),
            "nothing is invalidated: name a cached function with its arguments, as in `user(id)`, or `tags`, or \
             a `cache` with a `key`",
        ));
    }
    match options.value("cache") {
        None => {
            for what in IN_A_CACHE {
                options.refuse(what, "needs the `cache` that it is in")?;
            }
        }
        Some(cache) => {
            if text(cache).is_some() {
                return Err(Error::new_spanned(
                    cache,
                    "of a name the types are not known: give the `Cache` itself, or name the cached function with \
                     its arguments, as in `user(id)`",
                ));
            }
            if !IN_A_CACHE.iter().any(|what| options.has(what)) {
                return Err(Error::new_spanned(
                    cache,
                    "what in this cache? Say a `key`, `keys`, a `pattern`, or `all`",
                ));
            }
        }
    }
    Ok(())
}

fn tasks(options: &Options, function: &Function, larder: &Path) -> Result<TokenStream> {
    let private = quote!(#larder::__private);
    let mut tasks = TokenStream::new();
    for call in &options.calls {
        let call = companion(call)?;
        tasks.extend(quote_spanned!(call.span()=> __tasks.push(#private::Task::of(#call));));
    }
    let tenant = match options.value("tenant") {
        None => None,
        Some(tenant) => Some(string(tenant, function, larder)?),
    };
    if let Some(cache) = options.value("cache") {
        let view = tenant.as_ref().map(|tenant| {
            quote! {
                let __view = __cache.tenant(#tenant);
                let __cache = &__view;
            }
        });
        let cloned = quote!(::core::clone::Clone::clone(__cache));
        let mut within = TokenStream::new();
        if let Some(key) = options.value("key") {
            let key = one_key(key, function, larder)?;
            within.extend(quote!(__tasks.push(#private::Task::keys(#cloned, ::std::vec![#key]));));
        }
        if let Some(keys) = options.value("keys") {
            let keys = match keys {
                Expr::Array(array) => {
                    let keys = array.elems.iter().map(|key| one_key(key, function, larder));
                    let keys = keys.collect::<Result<Vec<_>>>()?;
                    quote!(::std::vec![#(#keys),*])
                }
                Expr::Lit(_) => {
                    return Err(Error::new_spanned(
                        keys,
                        "a list of keys is wanted; for one, say `key`",
                    ));
                }
                other => quote!(::core::iter::Iterator::collect(::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(#other),
                    |__key| {
                        #[allow(unused_imports)] use #private::Borrowed as _;
                        let __key = #private::KeyOf(__key);
                        ::std::borrow::ToOwned::to_owned(__key.key())
                    },
                ))),
            };
            within.extend(quote!(__tasks.push(#private::Task::keys(#cloned, #keys));));
        }
        if let Some(pattern) = options.value("pattern") {
            let pattern = pattern_of(pattern, function, larder)?;
            within.extend(
                quote!(__tasks.push(#private::Task::patterns(#cloned, ::std::vec![#pattern]));),
            );
        }
        if let Some(patterns) = options.value("patterns") {
            let patterns = match patterns {
                Expr::Array(array) => {
                    let patterns = array.elems.iter();
                    let patterns = patterns.map(|pattern| pattern_of(pattern, function, larder));
                    let patterns = patterns.collect::<Result<Vec<_>>>()?;
                    quote!(::std::vec![#(#patterns),*])
                }
                other => strings(other, function, larder)?,
            };
            within.extend(quote!(__tasks.push(#private::Task::patterns(#cloned, #patterns));));
        }
        if options.has("all") {
            within.extend(quote!(__tasks.push(#private::Task::whole(#cloned));));
        }
        tasks.extend(quote_spanned!(cache.span()=> {
            let __cache: &#larder::Cache<_, _> = &(#cache);
            #view
            #within
        }));
    }
    let larder_of = options.value("larder").map_or_else(
        || quote!(#private::process_wide()),
        |larder| quote!(::core::option::Option::Some(::core::clone::Clone::clone(&(#larder)))),
    );
    if let Some(tags) = options.value("tags") {
        let tags = strings(tags, function, larder)?;
        let view = tenant.as_ref().map(|tenant| {
            quote!(let __larder = ::core::option::Option::map(__larder, |__larder| __larder.tenant(#tenant));)
        });
        tasks.extend(quote!({
            let __larder: ::core::option::Option<#larder::Larder> = #larder_of;
            #view
            __tasks.push(#private::Task::tags(__larder, #tags));
        }));
    }
    if let Some(tenants) = options.value("tenants") {
        let tenants = strings(tenants, function, larder)?;
        tasks.extend(quote!(__tasks.push(#private::Task::tenants(#larder_of, #tenants));));
    }
    Ok(tasks)
}

/// An owned key of a template or an expression.
fn one_key(key: &Expr, function: &Function, larder: &Path) -> Result<TokenStream> {
    let private = quote!(#larder::__private);
    match text(key) {
        Some(_) => string(key, function, larder),
        None => {
            let value = kept_by_caller(key, function);
            Ok(quote_spanned!(key.span()=> {
                #[allow(unused_imports)] use #private::Borrowed as _;
                let __key = #private::KeyOf(#value);
                ::std::borrow::ToOwned::to_owned(__key.key())
            }))
        }
    }
}

/// A `String` of a template or an expression.
fn pattern_of(pattern: &Expr, function: &Function, larder: &Path) -> Result<TokenStream> {
    match text(pattern) {
        Some(text) => Template::parse(text, function)?.pattern(larder),
        None => string(pattern, function, larder),
    }
}

/// `user(id)` as `user_invalidate(id)`.
fn companion(call: &Expr) -> Result<Expr> {
    let named = |ident: &Ident| Ident::new(&format!("{}_invalidate", ident.unraw()), ident.span());
    let mut call = call.clone();
    match &mut call {
        Expr::MethodCall(method) => method.method = named(&method.method),
        Expr::Call(function) => match &mut *function.func {
            Expr::Path(path) => {
                if let Some(last) = path.path.segments.last_mut() {
                    last.ident = named(&last.ident);
                }
            }
            Expr::Field(field) => {
                if let Member::Named(name) = &mut field.member {
                    *name = named(name);
                }
            }
            other => {
                return Err(Error::new_spanned(
                    other,
                    "the name of a cached function is wanted",
                ));
            }
        },
        _ => {}
    }
    Ok(call)
}

/// Whether `__returned` is a success.
fn succeeds(options: &Options, function: &Function, larder: &Path) -> Result<TokenStream> {
    let (returns, span) = (&function.returns, function.returns_span());
    let private = quote!(#larder::__private);
    let (outer, inner) = match options.ty("returns").map(Said::parse).transpose()? {
        Some(said) => said.success(),
        None => {
            if let Some(parameter) = function.parameter_in(returns) {
                return Err(Error::new(
                    span,
                    format!(
                        "the return type depends on `{parameter}`, so it cannot be seen what a success is: say \
                         `returns = Result<_>`, `returns = Option<_>` or `returns = _`"
                    ),
                ));
            }
            if mentions(quote!(#returns), "impl") {
                let message =
                    "the return type needs a name, so that it can be seen what a success is";
                return Err(Error::new(span, message));
            }
            (
                quote_spanned!(span=> { #[allow(unused_imports)] use #private::IsPlain as _; #private::Probe::<#returns>::OUTER }),
                quote_spanned!(span=> { #[allow(unused_imports)] use #private::IsValue as _; #private::Probe::<#returns>::INNER }),
            )
        }
    };
    Ok(quote_spanned!(span=> #private::Succeeds::<#outer, #inner>::succeeded(&__returned)))
}
