// Renders templates with the npm package handlebars, as the tests ask for it.
//
//   node render.mjs < cases.json > texts.json
//
// In: a list of {template, data, partials}. Out: a list of {text} or {error}. The
// package is found in node_modules beside or above this file, or through NODE_PATH.

import { createRequire } from "node:module";
import { readFileSync, writeSync } from "node:fs";

const Handlebars = createRequire(import.meta.url)("handlebars");

function rendered({ template, data, partials = {} }) {
  const own = Handlebars.create();
  try {
    for (const [name, text] of Object.entries(partials)) {
      own.registerPartial(name, own.compile(text, { noEscape: true }));
    }
    return { text: own.compile(template, { noEscape: true })(data) };
  } catch (error) {
    return { error: error.message };
  }
}

const cases = JSON.parse(readFileSync(0, "utf8"));
const answer = Buffer.from(JSON.stringify(cases.map(rendered), null, 1) + "\n");
for (let at = 0; at < answer.length; ) at += writeSync(1, answer, at);
