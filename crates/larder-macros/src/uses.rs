//! What the expressions of an attribute use: which arguments, and `self`.
//!
//! A name counts where it is a value. A field or a method of the same name is something else, and so is a
//! closure's own argument. In the text of a template, and in that of a macro such as `format!`, a name in
//! braces counts.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Expr, ExprClosure, ExprLit, ExprPath, Lit, Macro, Pat, PatIdent, UnOp};

/// The names of values in an option: a template, an expression, or a list of these.
pub(crate) fn names_in(value: &Expr) -> HashSet<String> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => in_braces(&text.value()).collect(),
        Expr::Array(array) => array.elems.iter().flat_map(names_in).collect(),
        other => {
            let mut names = Names::default();
            names.visit_expr(other);
            names.found
        }
    }
}

/// The name that an expression begins with, where it is no more than that, its fields, and references to them:
/// `state` of `&state.larder`.
pub(crate) fn root_of(value: &Expr) -> Option<String> {
    match value {
        Expr::Path(path) => Some(path.path.get_ident()?.unraw().to_string()),
        Expr::Field(field) => root_of(&field.base),
        Expr::Reference(reference) => root_of(&reference.expr),
        Expr::Paren(paren) => root_of(&paren.expr),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => root_of(&unary.expr),
        _ => None,
    }
}

#[derive(Default)]
struct Names {
    found: HashSet<String>,
    /// Arguments of the closures around.
    bound: Vec<String>,
}

impl Names {
    fn value(&mut self, name: String) {
        if !self.bound.contains(&name) {
            self.found.insert(name);
        }
    }

    /// What a macro is given is no expression yet: any name may be a value, save behind a dot.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut dots = 0;
        for token in tokens {
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == '.' => {
                    dots += 1;
                    continue;
                }
                TokenTree::Ident(ident) if dots != 1 => self.value(ident.unraw().to_string()),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    for name in in_braces(&literal.to_string()) {
                        self.value(name);
                    }
                }
                _ => {}
            }
            dots = 0;
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Verbatim(tokens) => self.tokens(tokens.clone()),
            other => visit::visit_expr(self, other),
        }
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if let Some(ident) = path.path.get_ident() {
            self.value(ident.unraw().to_string());
        }
        visit::visit_expr_path(self, path);
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        let before = self.bound.len();
        for input in &closure.inputs {
            let mut bindings = Bindings(&mut self.bound);
            bindings.visit_pat(input);
        }
        self.visit_expr(&closure.body);
        self.bound.truncate(before);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
    }

    // A pattern's names are new ones.
    fn visit_pat(&mut self, _: &'ast Pat) {}
}

struct Bindings<'a>(&'a mut Vec<String>);

impl<'ast> Visit<'ast> for Bindings<'_> {
    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        self.0.push(pat.ident.unraw().to_string());
    }
}

/// The names that stand in braces, up to a field or a format: `id` of `"{id}"`, `"{id.0}"` and `"{id:?}"`.
fn in_braces(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace("{{", "");
    let names: Vec<_> = text
        .split('{')
        .skip(1)
        .filter_map(|rest| {
            let end = rest.find(['}', '.', ':'])?;
            let name = rest[..end].trim();
            (!name.is_empty()).then(|| name.to_owned())
        })
        .collect();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn sorted(value: &Expr) -> Vec<String> {
        let mut names: Vec<_> = names_in(value).into_iter().collect();
        names.sort();
        names
    }

    #[test]
    fn values_count_and_fields_do_not() {
        assert_eq!(
            sorted(&parse_quote!(self.id.larder(team))),
            ["self", "team"]
        );
        assert_eq!(
            sorted(&parse_quote!(self.all[(id % 2) as usize])),
            ["id", "self"]
        );
        assert_eq!(sorted(&parse_quote!(|id| id + r#match)), ["match"]);
        assert_eq!(sorted(&parse_quote!((id, T::N))), ["id"]);
    }

    #[test]
    fn names_in_braces_count_in_templates_and_formats() {
        assert_eq!(
            sorted(&parse_quote!("{selfish}:{{no}}:{user.id}")),
            ["selfish", "user"]
        );
        assert_eq!(
            sorted(&parse_quote!(["{a}", format!("{b:?}{}", c.d)])),
            ["a", "b", "c"]
        );
        assert!(sorted(&parse_quote!(of("{a}"))).contains(&"of".to_owned()));
        assert!(!sorted(&parse_quote!(of("{a}"))).contains(&"a".to_owned()));
    }

    #[test]
    fn a_root_is_what_the_fields_are_of() {
        let root = |expr: Expr| root_of(&expr);
        assert_eq!(root(parse_quote!(&state.larder)).as_deref(), Some("state"));
        assert_eq!(root(parse_quote!(*larder)).as_deref(), Some("larder"));
        assert_eq!(root(parse_quote!(larders[id])), None);
        assert_eq!(root(parse_quote!(of(id))), None);
    }
}
