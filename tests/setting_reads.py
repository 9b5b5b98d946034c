"""Which settings the code reads, of which class: types followed through annotations, assignments and attributes."""

import ast
import re
import typing

from pipeline.settings.basics import Strict


def classes_in(annotation, known):
    """Names of the settings classes in a type, its optional, listed and mapped ones too."""
    if isinstance(annotation, type):
        return {annotation.__name__} & set(known)
    return {name for part in typing.get_args(annotation) for name in classes_in(part, known)}


class Reads:
    """`found` holds (class, field) for each field that is read off an expression of that class.

    Args:
        known: settings classes by name.
        trees: parsed modules.
        names: classes of what has no annotation, by its name.
        interfaces: classes that stand behind a protocol, by its name.
    """

    def __init__(self, known, trees, names=(), interfaces=()):
        self.known, self.found, self.interfaces = known, set(), dict(interfaces)
        self.fields = {
            name: {field: classes_in(info.annotation, known) for field, info in of.model_fields.items()}
            for name, of in known.items()
        }
        self.attributes, self.returned = {}, {}
        nodes = [node for tree in trees for node in ast.walk(tree)]
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        self.bases = {node.name: [ast.unparse(base).split(".")[-1] for base in node.bases] for node in classes}
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                self.returned.setdefault(node.name, set()).update(self.named(node.returns))
            if isinstance(node, ast.ClassDef):
                own = self.attributes.setdefault(node.name, {})
                for line in node.body:
                    if isinstance(line, ast.AnnAssign):
                        own[line.target.id] = self.named(line.annotation)
                for line in ast.walk(node):
                    if isinstance(line, ast.FunctionDef) and line.name == "__init__":
                        given = self.arguments(line)
                        for target, value in assigned(line):
                            if isinstance(target, ast.Attribute) and isinstance(value, ast.Name):
                                own.setdefault(target.attr, given.get(value.id, set()))
        for tree in trees:
            self.walk(tree, dict(names), None)

    def named(self, annotation):
        words = set(re.findall(r"\w+", ast.unparse(annotation))) if annotation else set()
        return words & {*self.known, *self.bases} | {name for word in words for name in self.interfaces.get(word, ())}

    def arguments(self, function):
        args = function.args
        return {a.arg: self.named(a.annotation) for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)}

    def attribute(self, owner, name):
        """Of an object of the class `owner`."""
        for of in (owner, *self.bases.get(owner, [])):
            if name in self.attributes.get(of, {}):
                return self.attributes[of][name]
        return next((t for b in self.bases.get(owner, []) if b != owner for t in [self.attribute(b, name)] if t), set())

    def walk(self, node, names, owner):
        if isinstance(node, ast.ClassDef):
            owner = node.name
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            names = names | self.arguments(node)
        for target, value in assigned(node):
            if isinstance(target, ast.Name) and (types := self.type_of(value, names, owner)):
                names[target.id] = types
        for loop in [node, *getattr(node, "generators", [])]:
            if isinstance(loop, (ast.For, ast.comprehension)):
                types = self.type_of(loop.iter, names, owner)
                for target in ast.walk(loop.target):
                    if isinstance(target, ast.Name) and types:
                        names = names | {target.id: types}
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            self.type_of(node, names, owner)
        for child in ast.iter_child_nodes(node):
            self.walk(child, names, owner)

    def type_of(self, node, names, owner):
        match node:
            case ast.Name(id="self"):
                return {owner} if owner in self.attributes else set()
            case ast.Name():
                return names.get(node.id, set())
            case ast.Attribute():
                of = self.type_of(node.value, names, owner)
                self.found |= {(name, node.attr) for name in of if node.attr in self.fields.get(name, {})}
                own = {t for name in of for t in self.fields.get(name, {}).get(node.attr, set())}
                return own | {t for name in of for t in self.attribute(name, node.attr)}
            case ast.Subscript():
                return self.type_of(node.value, names, owner)
            case ast.Call(func=ast.Attribute(attr="values" | "items" | "get" | "model_copy" | "_replace")):
                return self.type_of(node.func.value, names, owner)
            case ast.Call(func=ast.Name(id="zip" | "enumerate" | "list" | "sorted")):
                return {t for arg in node.args for t in self.type_of(arg, names, owner)}
            case ast.Call(func=ast.Name()):
                name = node.func.id
                made = {name} if name in self.known or name in self.attributes else set()
                return made | self.returned.get(name, set())
            case ast.Call(func=ast.Attribute()):
                return self.returned.get(node.func.attr, set())
            case ast.IfExp() | ast.BoolOp():
                parts = node.values if isinstance(node, ast.BoolOp) else (node.body, node.orelse)
                return {t for part in parts for t in self.type_of(part, names, owner)}
        return set()


def assigned(node):
    """Pairs of target and value in an assignment, or in all of a function."""
    lines = ast.walk(node) if isinstance(node, ast.FunctionDef) else [node]
    for line in lines:
        if isinstance(line, ast.Assign):
            for target in line.targets:
                if isinstance(target, ast.Tuple) and isinstance(line.value, ast.Tuple):
                    yield from zip(target.elts, line.value.elts, strict=False)
                else:
                    yield target, line.value
        if isinstance(line, ast.NamedExpr):
            yield line.target, line.value


def of_base(known, found):
    """Reads of a field through a base class, for each class that has it from there."""
    return found | {
        (name, field)
        for name, of in known.items()
        for field in of.model_fields
        for base in of.__mro__
        if base is not Strict and (base.__name__, field) in found
    }
