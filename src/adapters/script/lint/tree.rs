//! The syntax tree as bodies: the script's own statements, and those of every function and closure.

use rhai::{AST, ASTNode, Dynamic, Expr, FnPtr, Position, Stmt};

use crate::config::Place;

/// The statements of a function, or of the script itself.
pub(super) struct Body {
    /// The function's name; the script itself has none, and a closure one that nobody can write.
    pub(super) name: Option<String>,
    pub(super) params: Vec<String>,
    pub(super) statements: Vec<Stmt>,
}

/// All bodies, the script's own first.
pub(super) struct Tree {
    pub(super) bodies: Vec<Body>,
}

impl Tree {
    /// Takes the tree apart.
    pub(super) fn of(ast: &AST) -> Self {
        let mut bodies = vec![Body { name: None, params: Vec::new(), statements: ast.statements().to_vec() }];
        // The parser keeps functions by hashes that differ from one build to the next.
        let mut functions: Vec<_> = ast.iter_functions().collect();
        functions.sort_unstable_by_key(|function| (function.name, function.params.len()));
        for function in functions {
            let (wanted, arity) = (function.name, function.params.len());
            // The body's type has no public name; a tree with this function only walks its statements and nothing else.
            let mut alone = ast.clone_functions_only();
            alone.retain_functions(|_, _, name, args| name == wanted && args == arity);
            let mut statements = Vec::new();
            alone.walk(&mut |path| {
                if let [ASTNode::Stmt(statement)] = path {
                    statements.push((*statement).clone());
                }
                true
            });
            let params = function.params.iter().map(|name| (*name).to_owned()).collect();
            bodies.push(Body { name: Some(wanted.to_owned()), params, statements });
        }
        Self { bodies }
    }

    /// The body of a function or closure.
    pub(super) fn body(&self, name: &str) -> Option<&Body> {
        self.bodies.iter().find(|body| body.name.as_deref() == Some(name))
    }

    /// How many arguments the script's own functions of that name take.
    pub(super) fn arities(&self, name: &str) -> Vec<usize> {
        let own = self.bodies.iter().filter(|body| body.name.as_deref() == Some(name));
        own.map(|body| body.params.len()).collect()
    }

    /// The functions that a person gave a name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.bodies.iter().filter_map(|body| body.name.as_deref()).filter(|name| !name.contains('$'))
    }
}

impl Body {
    /// Shows every node below these statements, with the nodes that it is in before it.
    pub(super) fn walk(&self, see: &mut impl FnMut(&[ASTNode<'_>])) {
        for statement in &self.statements {
            statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
                see(path);
                // Rhai's own walk leaves out what a loop is left with.
                if let Some(ASTNode::Stmt(Stmt::BreakLoop(Some(value), ..))) = path.last() {
                    value.walk(&mut Vec::new(), &mut |inner: &[ASTNode<'_>]| {
                        see(inner);
                        true
                    });
                }
                true
            });
        }
    }
}

/// The closure that an expression is, by the name of its body. One that captures variables stands in a block that
/// shares them first.
pub(super) fn closure(expr: &Expr) -> Option<String> {
    let mut found = None;
    expr.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) = path.last() {
            found = function_of(value);
        }
        found.is_none()
    });
    found
}

/// The function that a constant points to.
pub(super) fn function_of(value: &Dynamic) -> Option<String> {
    value.clone().try_cast::<FnPtr>().map(|pointer| pointer.fn_name().to_owned())
}

/// The place as people count.
pub(super) fn place(position: Position) -> Place {
    Place { line: position.line().unwrap_or(1), column: position.position().unwrap_or(1).max(1) }
}
