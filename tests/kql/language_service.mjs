// Parses and binds KQL with Microsoft's own language service (npm @kusto/language-service-next).
//
// usage: node language_service.mjs PACKAGE_FOLDER < request.json > answer.json
// request: {"schema": {"tables": {name: "a: string, b: long"}, "views": {...}}, "scripts": [{"name", "text"}]}
// Functions that a script creates are known to every script. A script is a list of commands: each begins
// with a dot in the first column; a script without one is a query.
// answer: [{"name", "line", "severity", "message"}]

import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

const folder = process.argv[2];
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  vm.runInThisContext(fs.readFileSync(path.join(folder, file), "utf8"), { filename: file });
}
const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

/** Cut a script into its commands, each with the line that it begins on. */
function commands(text) {
  const found = [];
  text.split("\n").forEach((line, index) => {
    if (line.startsWith(".") || found.length === 0) found.push({ line: index, lines: [] });
    found[found.length - 1].lines.push(line);
  });
  return found
    .map(({ line, lines }) => ({ line, text: lines.join("\n").replace(/^\/\/.*$/gm, "") }))
    .filter((command) => command.text.trim() !== "");
}

/** The function that a command creates, if it creates one. */
function functionOf(command) {
  const made = /^\.create-or-alter\s+function\s+(?:with\s*\([^)]*\)\s*)?(\w+)\s*(\([^{]*?\))\s*(\{[\s\S]*\})\s*$/.exec(command.text);
  return made && new Symbols.FunctionSymbol.$ctor16(made[1], made[2], made[3], null);
}

/** Queries within a command, and the table or view whose columns each has to give. */
function carried(command) {
  const update = /^\.alter\s+table\s+(\w+)\s+policy\s+update\s+```([\s\S]*)```/.exec(command.text);
  if (update) return JSON.parse(update[2]).map((each) => ({ text: each.Query, gives: update[1] }));
  const secured = /^\.alter\s+(?:table|materialized-view)\s+(\w+)\s+policy\s+row_level_security\s+enable\s+"([^"]*)"/.exec(command.text);
  if (secured) return [{ text: secured[2], gives: secured[1] }];
  const view = /^\.create-or-alter\s+materialized-view\s+with\s*\([\s\S]*?\)\s*(\w+)\s+on table\s+\w+\s*\{([\s\S]*)\}/.exec(command.text);
  return view ? [{ text: view[2], gives: view[1] }] : [];
}

const { schema, scripts } = JSON.parse(fs.readFileSync(0, "utf8"));
const all = scripts.map((script) => ({ ...script, commands: commands(script.text) }));
const members = [
  ...Object.entries(schema.tables).map(([name, columns]) => new Symbols.TableSymbol.$ctor7(name, `(${columns})`, null)),
  ...Object.entries(schema.views).map(
    ([name, columns]) => new Symbols.MaterializedViewSymbol.$ctor3(name, `(${columns})`, null, null)),
  ...all.flatMap((script) => script.commands.map(functionOf).filter(Boolean)),
];
const list = new (System.Collections.Generic.List$1(Symbols.Symbol).ctor)();
members.forEach((member) => list.add(member));
const database = new Symbols.DatabaseSymbol.$ctor3("battery", null, list, false);
const cluster = GlobalState.Default.Cluster.AddDatabase(database);
const globals = GlobalState.Default.WithCluster(cluster).WithDatabase(database);

/** What the service says of a text, and of the columns that it gives where a table says which. */
function judge({ text, gives }) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const said = code.GetDiagnostics();
  const found = Array.from({ length: said.Count }, (_, i) => said.getItem(i)).map((each) => ({
    line: text.slice(0, each.Start).split("\n").length - 1,
    severity: each.Severity,
    message: each.Message,
    at: text.slice(each.Start, each.Start + each.Length),
  }));
  if (gives === undefined) return found;
  const wanted = schema.tables[gives] ?? schema.views[gives];
  const columns = code.ResultType?.Columns;
  const given = Array.from({ length: columns?.Count ?? 0 }, (_, i) => columns.getItem(i))
    .map((each) => `${each.Name.match(/^\w+$/) && !wanted?.includes(`['${each.Name}']`) ? each.Name : `['${each.Name}']`}: ${each.Type.Name}`)
    .join(", ");
  if (given !== wanted) {
    found.push({ line: 0, severity: "Error", message: `${gives} has (${wanted}), the query gives (${given})`, at: text });
  }
  return found;
}

const answer = [];
for (const { name, commands: listed } of all) {
  for (const command of listed) {
    const texts = [{ text: command.text }, ...carried(command)];
    texts.flatMap(judge).forEach((each) => answer.push({ name, ...each, line: each.line + command.line + 1 }));
  }
}
process.stdout.write(JSON.stringify(answer));
