#include "server/openapi.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

namespace assay::server {

namespace {

using json = nlohmann::json;

json reference(const std::string& schema) { return {{"$ref", "#/components/schemas/" + schema}}; }

json schema_of(const query_parameter& parameter) {
  json out;
  switch (parameter.type) {
  case parameter_type::text:
    out = {{"type", "string"}, {"maxLength", parameter.longest}};
    break;
  case parameter_type::integer:
    out = {{"type", "integer"}, {"minimum", parameter.lowest}, {"maximum", parameter.highest}};
    break;
  case parameter_type::flag:
    out = {{"type", "boolean"}};
    break;
  case parameter_type::choice:
    out = {{"type", "string"}, {"enum", parameter.choices}};
    break;
  }
  if (!parameter.fallback.empty()) {
    if (parameter.type == parameter_type::integer)
      out["default"] = std::stoll(parameter.fallback);
    else if (parameter.type == parameter_type::flag)
      out["default"] = parameter.fallback == "true";
    else
      out["default"] = parameter.fallback;
  }
  return out;
}

json parameters_of(const route& one) {
  auto out = json::array();
  for (size_t start = one.path.find('{'); start != std::string::npos; start = one.path.find('{', start + 1))
    out.push_back({{"name", one.path.substr(start + 1, one.path.find('}', start) - start - 1)},
                   {"in", "path"},
                   {"required", true},
                   {"schema", {{"type", "string"}}}});
  for (const auto& parameter : one.query)
    out.push_back({{"name", parameter.name},
                   {"in", "query"},
                   {"required", false},
                   {"description", parameter.summary},
                   {"schema", schema_of(parameter)}});
  for (const auto& name : one.header_parameters)
    out.push_back({{"name", name},
                   {"in", "header"},
                   {"required", false},
                   {"schema", {{"type", "string"}, {"maxLength", 128}}}});
  return out;
}

json content(const std::string& type, const json& schema) { return {{type, {{"schema", schema}}}}; }

std::string operation_name(const route& one) {
  std::string out{to_string(one.method)};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char c : one.path)
    if (c == '/' || c == '-' || c == '.')
      out += out.ends_with('_') ? "" : "_";
    else if (c != '{' && c != '}')
      out += c;
  if (one.path == "/")
    out += "root";
  return out;
}

/// What success_body() makes of the payload.
json in_envelope(family kind, json payload) {
  if (kind == family::engine || kind == family::openai)
    return payload;
  if (kind == family::jobs)
    return {{"type", "object"},
            {"properties",
             {{"success", {{"const", true}}}, {"data", std::move(payload)}, {"meta", reference("Meta")}}},
            {"required", {"success", "data", "meta"}}};
  return {{"allOf", {reference("DatalabAnswer"), std::move(payload)}}};
}

const char* error_schema_of(family kind) noexcept {
  switch (kind) {
  case family::engine:
    return "Error";
  case family::jobs:
    return "JobsError";
  case family::datalab:
    return "DatalabError";
  case family::openai:
    return "OpenAiError";
  }
  return "Error";
}

json responses_of(const route& one) {
  json success{{"description", one.summary}};
  if (one.success != 101) {
    auto payload = one.response_schema.empty()
                       ? json{{"type", one.response_type == "application/json" ? "object" : "string"}}
                       : reference(one.response_schema);
    if (one.response_type == "application/json")
      payload = in_envelope(one.kind, std::move(payload));
    success["content"] = content(one.response_type, payload);
  }
  json out{{std::to_string(one.success), std::move(success)}};
  const auto failure = [&](const char* status, const char* why) {
    out[status] = {{"description", why},
                   {"content", content("application/json", reference(error_schema_of(one.kind)))}};
  };
  const bool needs_caller = one.access != route_access::everyone;
  if (needs_caller)
    failure("401", "No valid token");
  if (one.access == route_access::permission || one.access == route_access::own_rules)
    failure("403", "The token lacks the permission");
  if (one.path.find('{') != std::string::npos)
    failure("404", "There is no such thing, or it is somebody else's");
  const bool one_status_for_bodies = one.kind == family::datalab || one.kind == family::openai;
  if (!one.request_schema.empty()) {
    failure("400", one_status_for_bodies ? "The body is not JSON, or a field of it is wrong"
                                         : "The body is not JSON");
    failure("413", "The body is too large");
    failure("415", "The body is of another type");
  }
  if ((!one.request_schema.empty() || !one.query.empty()) && !one_status_for_bodies)
    failure("422", "A field or parameter is wrong; error.field names it");
  if (one.access == route_access::permission && one.needs == permission::evaluation_manage)
    failure("409", "The evaluation's state does not allow it");
  if (one.response_schema == "Result")
    failure("409", "The evaluation has not ended");
  if (one.asks_models) {
    failure("429", "Too many questions are open, or a limit of the provider is reached; see Retry-After");
    failure("502", "The provider failed");
  }
  if (one.response_schema == "Tokens") {
    failure("401", "These credentials are wrong");
    failure("429", "Too many attempts; Retry-After says how long to wait");
  }
  if (std::find(one.header_parameters.begin(), one.header_parameters.end(), "Idempotency-Key")
      != one.header_parameters.end()) {
    failure("409", "The key belongs to another request");
    if (one.success != 200) {
      out["200"] = out.at(std::to_string(one.success));
      out["200"]["description"] = "The plan of a dry run, or what this key created before";
    }
  }
  if (one.request_schema == "NewExperiment") {
    out["200"] = out.at("201");
    out["200"]["description"] = "The plan of a dry run";
    failure("409", "There is an experiment of this id already");
  }
  if (one.response_schema == "LlmBatchAnswer") {
    out["202"] = out.at("200");
    out["202"]["description"] = "The batch goes on: its answer is elsewhere, later";
  }
  failure("503", "The farm is busy or stopping");
  return out;
}

json operation_of(const route& one) {
  json out{{"operationId", operation_name(one)},
           {"summary", one.summary},
           {"tags", {one.tag}},
           {"parameters", parameters_of(one)},
           {"responses", responses_of(one)}};
  std::string description = one.details;
  if (one.access == route_access::permission)
    description +=
        (description.empty() ? "" : " ") + std::string("Needs ") + std::string(to_string(one.needs)) + ".";
  if (!description.empty())
    out["description"] = description;
  if (one.access == route_access::everyone)
    out["security"] = json::array();
  if (!one.request_schema.empty())
    out["requestBody"] = {{"required", !one.body_optional},
                          {"content", content("application/json", reference(one.request_schema))}};
  if (one.success == 101)
    out["x-web-socket"] = {{"send", reference("WebSocketCommand")}, {"receive", reference("WebSocketEvent")}};
  return out;
}

} // namespace

json openapi_document(const route_table& table, const std::string& version) {
  auto paths = json::object();
  for (const auto& one : table.routes()) {
    std::string method{to_string(one->method)};
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    paths[one->path][method] = operation_of(*one);
  }
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "assay"},
            {"version", version.empty() ? "0" : version},
            {"description", "An evaluation farm for language models."}}},
          {"servers", {{{"url", "/"}}}},
          {"security", json::array({json{{"bearer", json::array()}}, json{{"x_api_key", json::array()}}})},
          {"paths", std::move(paths)},
          {"components",
           {{"schemas", table.schemas().all()},
            {"securitySchemes",
             {{"bearer",
               {{"type", "http"},
                {"scheme", "bearer"},
                {"bearerFormat", "JWT"},
                {"description", "An access token of POST /auth/login, or an API key of POST /auth/keys."}}},
              {"x_api_key",
               {{"type", "apiKey"},
                {"in", "header"},
                {"name", "x-api-key"},
                {"description", "An API key, as some SDKs send it; the header api-key is taken too."}}}}}}}};
}

} // namespace assay::server
