#include "server/request_context.hpp"

#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

request_context::request_context(const request& asked, const route& found, edge_services& services)
    : http(asked), matched(found), edge(services) {}

request_context::~request_context() = default;

std::string request_context::text(const char* name) const {
  const auto it = query.find(name);
  return it == query.end() ? std::string{} : it->second;
}

int64_t request_context::integer(const char* name) const {
  const auto it = query.find(name);
  return it == query.end() ? 0 : std::stoll(it->second);
}

bool request_context::flag(const char* name) const { return text(name) == "true"; }

exchange_facts request_context::facts() const {
  return {request_id, edge.options.time.wall(), edge.options.time.steady() - started, http.path};
}

response request_context::answer(const nlohmann::json& payload, unsigned status) const {
  response out;
  out.status = status == 0 ? matched.success : status;
  out.body = success_body(matched.kind, payload, facts());
  return out;
}

} // namespace assay::server
