#include "core/values/markup.hpp"
#include "server/openapi.hpp"

#include <nlohmann/json.hpp>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <map>

namespace assay::server {

namespace {

using json = nlohmann::json;

constexpr std::string_view style = R"css(
:root{--ink:#1a1d21;--soft:#5b6470;--line:#dfe3e8;--paper:#fff;--wash:#f6f7f9;--accent:#0b5cad}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa4b0;--line:#343a42;--paper:#16191d;--wash:#1f2329;--accent:#6cb2ff}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
header,main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem}
header{border-bottom:1px solid var(--line)}
h1{margin:0;font-size:1.6rem}
h2{margin:2.2rem 0 .6rem;font-size:1.15rem;text-transform:capitalize}
p{margin:.4rem 0;color:var(--soft)}
input{width:100%;margin-top:1rem;padding:.55rem .7rem;font:inherit;color:inherit;background:var(--wash);border:1px solid var(--line);border-radius:6px}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0}
summary{padding:.55rem .8rem;cursor:pointer;display:flex;gap:.8rem;align-items:baseline;flex-wrap:wrap}
summary b{font:600 .8rem/1.5 ui-monospace,monospace;min-width:4.2rem;color:var(--accent)}
summary code{font-weight:600}
summary span{color:var(--soft)}
.in{padding:.2rem 1rem 1rem;border-top:1px solid var(--line)}
h3{font-size:.85rem;margin:1rem 0 .3rem;color:var(--soft)}
code,pre{font:.86rem/1.5 ui-monospace,monospace}
pre{background:var(--wash);padding:.7rem .8rem;border-radius:6px;overflow:auto;margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
td{padding:.25rem .8rem .25rem 0;vertical-align:top;border-bottom:1px solid var(--line)}
a{color:var(--accent)}
)css";

constexpr std::string_view script = R"js(
const box=document.querySelector('input');
box.addEventListener('input',()=>{
  const words=box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for(const section of document.querySelectorAll('section')){
    let any=false;
    for(const one of section.querySelectorAll('details')){
      const text=one.textContent.toLowerCase();
      one.hidden=!words.every(word=>text.includes(word));
      any=any||!one.hidden;
    }
    section.hidden=!any;
  }
});
for(const one of document.querySelectorAll('.host'))one.textContent=location.origin;
)js";

std::string policy_hash(std::string_view text) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::array<char, sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL)>
      encoded{};
  sodium_bin2base64(encoded.data(), encoded.size(), digest.data(), digest.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  return "'sha256-" + std::string(encoded.data()) + "'";
}

/// A body that shows the shape: examples where the schema has some.
json example_of(const json& schema, const json& all, int depth) {
  if (depth > 4)
    return nullptr;
  if (const auto it = schema.find("$ref"); it != schema.end()) {
    const auto& name = it->get_ref<const std::string&>();
    return example_of(all.at(name.substr(name.rfind('/') + 1)), all, depth + 1);
  }
  if (schema.contains("examples"))
    return schema["examples"][0];
  if (schema.contains("const"))
    return schema["const"];
  if (schema.contains("enum"))
    return schema["enum"][0];
  const auto type = schema.contains("type")
                        ? (schema["type"].is_array() ? schema["type"][0].get<std::string>()
                                                     : schema["type"].get<std::string>())
                        : std::string{};
  if (type == "object") {
    auto out = json::object();
    const auto required = schema.value("required", json::array());
    if (schema.contains("properties"))
      for (const auto& [name, inner] : schema["properties"].items())
        if (inner.contains("examples")
            || std::find(required.begin(), required.end(), json(name)) != required.end())
          out[name] = example_of(inner, all, depth + 1);
    return out;
  }
  if (type == "array")
    return json::array({example_of(schema.value("items", json::object()), all, depth + 1)});
  if (type == "string")
    return "...";
  if (type == "integer" || type == "number")
    return 0;
  if (type == "boolean")
    return false;
  return nullptr;
}

std::string curl_line(const route& one, const json& schemas) {
  std::string out = "curl";
  if (one.method != http_method::get)
    out += " -X " + std::string(to_string(one.method));
  out += " <span class=host>http://127.0.0.1:8000</span>" + escape_markup(one.path);
  if (one.access != route_access::everyone)
    out += " \\\n  -H \"Authorization: Bearer $ACCESS_TOKEN\"";
  if (!one.request_schema.empty())
    out += " \\\n  -H 'Content-Type: application/json' -d '"
           + escape_markup(example_of(schemas.at(one.request_schema), schemas, 0).dump()) + "'";
  return out;
}

std::string parameter_table(const route& one) {
  std::string out;
  for (const auto& parameter : one.query) {
    out += "<tr><td><code>" + escape_markup(parameter.name) + "</code></td><td>"
           + escape_markup(parameter.summary);
    if (!parameter.choices.empty()) {
      out += ":";
      for (const auto& choice : parameter.choices)
        out += " <code>" + escape_markup(choice) + "</code>";
    }
    out += "</td><td>"
           + (parameter.fallback.empty() ? std::string{}
                                         : "usually <code>" + escape_markup(parameter.fallback) + "</code>")
           + "</td></tr>";
  }
  return out.empty() ? out : "<h3>Query</h3><table>" + out + "</table>";
}

std::string block_of(const route& one, const json& schemas) {
  const auto method = one.success == 101 ? std::string{"WS"} : std::string{to_string(one.method)};
  std::string out = "<details><summary><b>" + method + "</b><code>" + escape_markup(one.path)
                    + "</code><span>" + escape_markup(one.summary) + "</span></summary><div class=in>";
  if (!one.details.empty())
    out += "<p>" + escape_markup(one.details) + "</p>";
  if (one.access == route_access::everyone)
    out += "<p>No token needed.</p>";
  else if (one.access == route_access::permission)
    out += "<p>Needs <code>" + std::string(to_string(one.needs)) + "</code>.</p>";
  out += parameter_table(one);
  if (one.success != 101)
    out += "<h3>Try it</h3><pre>" + curl_line(one, schemas) + "</pre>";
  const auto schema = [&](const char* title, const std::string& name) {
    if (!name.empty())
      out += "<h3>" + std::string(title) + ": " + escape_markup(name) + "</h3><pre>"
             + escape_markup(schemas.at(name).dump(2)) + "</pre>";
  };
  schema("Body", one.request_schema);
  if (one.success == 101)
    for (const auto* name :
         {"AuthCommand", "SubscribeEvaluationCommand", "SubscribeCommand", "UnsubscribeCommand"})
      schema("Message", name);
  schema(one.kind == family::jobs ? "Answer, under data" : "Answer", one.response_schema);
  return out + "</div></details>";
}

} // namespace

documentation_page make_documentation_page(const route_table& table, const std::string& version) {
  const auto& schemas = table.schemas().all();
  std::vector<std::string> order;
  std::map<std::string, std::string> sections;
  for (const auto& one : table.routes()) {
    if (!sections.contains(one->tag))
      order.push_back(one->tag);
    sections[one->tag] += block_of(*one, schemas);
  }
  std::string html =
      "<!doctype html><html lang=en><head><meta charset=utf-8>"
      "<meta name=viewport content=\"width=device-width,initial-scale=1\"><title>assay API</title><style>";
  html.append(style)
      .append("</style></head><body><header><h1>assay API</h1><p>Version ")
      .append(escape_markup(version));
  html += ". The same as a document for programs, with a token: <code>GET /openapi.json</code>. Errors are "
          "always "
          "{error:{code, message, field, details}, detail, message, request_id}, below /api/v1 "
          "{success, data, meta, errors:[{code, message, field, details}]}.</p>"
          "<p>First <code>POST /auth/login</code>, then <code>export ACCESS_TOKEN=...</code>.</p>"
          "<input type=search placeholder=\"Search paths, fields, words\" aria-label=Search></header><main>";
  for (const auto& tag : order)
    html += "<section><h2>" + escape_markup(tag) + "</h2>" + sections[tag] + "</section>";
  html.append("</main><script>").append(script).append("</script></body></html>");
  return {std::move(html), "default-src 'none'; style-src " + policy_hash(style) + "; script-src "
                               + policy_hash(script)
                               + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"};
}

} // namespace assay::server
