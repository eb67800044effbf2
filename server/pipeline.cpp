#include "server/pipeline.hpp"

#include "server/auth/api_keys.hpp"
#include "server/auth/passwords.hpp"
#include "server/json_text.hpp"
#include "server/origins.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace assay::server {

namespace {

constexpr size_t body_limit_without_schema = 64 * 1024;

std::string milliseconds_text(std::chrono::duration<double, std::milli> duration) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2fms", duration.count());
  return text.data();
}

/// RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, whatever the locale.
std::string http_date(wall_time time) {
  constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds_since_epoch =
      std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
  std::tm parts{};
  gmtime_r(&seconds_since_epoch, &parts);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                days[static_cast<size_t>(parts.tm_wday)], parts.tm_mday,
                months[static_cast<size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
  return text.data();
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : ", ") + word;
  return out;
}

bool is_json_type(std::string_view type) noexcept {
  const auto media = type.substr(0, type.find(';'));
  const auto last = media.find_last_not_of(' ');
  const auto trimmed = media.substr(0, last == std::string_view::npos ? 0 : last + 1);
  return equals_ignoring_case(trimmed, "application/json")
         || (trimmed.size() > 5 && equals_ignoring_case(trimmed.substr(trimmed.size() - 5), "+json"));
}

/// Ids are echoed and logged, so a key is none.
bool is_request_id(std::string_view text) { return is_caller_id(text) && without_api_keys(text) == text; }

} // namespace

// -- before the body ------------------------------------------------------------------------------------

std::optional<problem> pipeline::authorise(const request_head& head, admission& out) const {
  const auto& matched = *out.match.found;
  const auto kind = matched.kind;
  fault refusal{errc::unauthenticated, "a token is needed", {}, "get one with POST /auth/login"};
  std::optional<seconds> retry_after;
  if (const auto token = sent_token(head)) {
    auto who = edge_.auth.identify(*token, head.peer);
    if (who) {
      out.caller = std::move(*who);
    } else {
      refusal = who.error().what;
      retry_after = who.error().retry_after;
    }
  } else if (!head.header("Authorization").empty()) {
    refusal.message = "the Authorization header is not 'Bearer TOKEN'";
  } else if (const auto it = edge_.options.anonymous.find(kind);
             it != edge_.options.anonymous.end() && may_be_anonymous(edge_.options, head)) {
    const std::vector<role> roles{it->second};
    out.caller = principal{user_id{"anonymous"}, roles, permissions_of(roles), {}, true};
  }
  if (matched.access == route_access::everyone)
    return std::nullopt;
  if (out.caller)
    if (auto waiting = edge_.auth.take_request(*out.caller))
      return problem_of(kind, std::move(waiting->what), waiting->retry_after);
  if (matched.access == route_access::own_rules)
    return std::nullopt;
  if (!out.caller)
    return problem_of(kind, std::move(refusal), retry_after);
  if (matched.access == route_access::permission && !out.caller->permissions.has(matched.needs))
    return problem_of(kind, fault{errc::forbidden,
                                  "this needs the permission " + std::string(to_string(matched.needs)),
                                  {},
                                  "ask an administrator"});
  return std::nullopt;
}

admission pipeline::admit(const request_head& head, std::optional<uint64_t> body_bytes) const {
  admission out;
  out.started = edge_.options.time.steady();
  const auto given_id = head.header("X-Request-Id");
  out.request_id = is_request_id(given_id) ? std::string(given_id) : "req_" + random_hex(8);
  out.path = head.path;
  out.match.kind = family_of_path(head.path);
  const auto refuse = [&](unsigned status, std::string message, std::string hint = {}) {
    out.refusal = http_failure(out, status, std::move(message), std::move(hint));
    return std::move(out);
  };
  if (!head.path.starts_with('/') && !(head.method == http_method::options && head.path == "*"))
    return refuse(400, "the request target must be a path");
  out.match = find_route(edge_.routes, head.method, head.path);
  if (head.method == http_method::options) {
    out.refusal = preflight(head, out);
    return out;
  }
  if (!out.match.found) {
    if (!out.match.allowed.empty()) {
      auto problem =
          http_problem(out.match.kind, 405,
                       head.method == http_method::other
                           ? std::string("this path does not know this method")
                           : "this path does not know the method " + std::string(to_string(head.method)));
      problem.allow = out.match.allowed;
      out.refusal = failure(out, problem);
      return out;
    }
    out.refusal = failure(out, problem_of(out.match.kind, fault{errc::not_found,
                                                                "there is nothing at " + head.path,
                                                                {},
                                                                "GET /docs lists every path"}));
    return out;
  }
  if (auto refused = authorise(head, out)) {
    out.refusal = failure(out, *refused);
    return out;
  }
  const auto& matched = *out.match.found;
  const auto own_limit =
      matched.request_schema.empty() ? body_limit_without_schema : edge_.options.limits.body_bytes;
  out.body_limit =
      matched.body_limit == 0 ? own_limit : std::min(matched.body_limit, edge_.options.limits.body_bytes);
  const bool has_body = !body_bytes || *body_bytes > 0;
  if (has_body && !matched.request_schema.empty()) {
    const auto type = head.header("Content-Type");
    if (!type.empty() && !is_json_type(type))
      return refuse(415, "the body must be application/json",
                    "send the header Content-Type: application/json");
    const auto encoding = head.header("Content-Encoding");
    if (!encoding.empty() && !equals_ignoring_case(encoding, "identity"))
      return refuse(415, "encoded bodies are not accepted", "send the JSON as it is");
  }
  if (body_bytes && *body_bytes > out.body_limit)
    out.refusal = failure(out, problem_of(matched.kind, fault{errc::too_large,
                                                              "the body is larger than "
                                                                  + std::to_string(out.body_limit) + " bytes",
                                                              "body",
                                                              {}}));
  return out;
}

response pipeline::preflight(const request_head& head, const admission& admitted) const {
  response out;
  out.status = 204;
  if (!admitted.match.allowed.empty())
    out.headers.push_back({"Allow", joined(admitted.match.allowed)});
  const auto origin = head.header("Origin");
  if (head.header("Access-Control-Request-Method").empty() || !is_listed_origin(edge_.options, origin))
    return out;
  out.headers.push_back({"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"});
  out.headers.push_back(
      {"Access-Control-Allow-Headers",
       "Authorization, Content-Type, X-Request-Id, Idempotency-Key, If-Match, X-Api-Key, Api-Key"});
  out.headers.push_back({"Access-Control-Max-Age", "600"});
  return out;
}

// -- after the body -------------------------------------------------------------------------------------

boost::asio::awaitable<result<response>> pipeline::try_handle(request_context& context) const {
  const auto& matched = context.matched;
  auto query = check_query(matched, context.http.query);
  if (!query)
    co_return query.error();
  context.query = std::move(*query);
  if (!matched.request_schema.empty()) {
    const auto& text = context.http.body;
    const bool blank = text.find_first_not_of(" \t\r\n") == std::string::npos;
    if (blank && !matched.body_optional)
      co_return fault{errc::malformed_input, "a JSON body is needed", {}, "see /docs"};
    if (!blank) {
      auto body = parse_json(text);
      if (!body)
        co_return body.error();
      auto checked = edge_.routes.schemas().check(matched.request_schema, *body);
      // The caller's own id is echoed on refusals too.
      if (body->is_object() && body->contains("request_id") && (*body)["request_id"].is_string()
          && is_request_id((*body)["request_id"].get_ref<const std::string&>()))
        context.request_id = (*body)["request_id"].get<std::string>();
      if (!checked)
        co_return checked.error();
      context.body = std::make_unique<nlohmann::json>(std::move(*body));
    }
  }
  co_return co_await matched.handler(context);
}

boost::asio::awaitable<response> pipeline::handle(const request& asked, const admission& admitted,
                                                  caller_watch* watch) const {
  request_context context{asked, *admitted.match.found, edge_};
  context.caller = admitted.caller;
  context.request_id = admitted.request_id;
  context.started = admitted.started;
  context.path = admitted.match.path;
  context.watch = watch;
  const auto kind = context.matched.kind;
  std::optional<problem> wrong;
  response out;
  try {
    auto answer = co_await try_handle(context);
    if (answer)
      out = std::move(*answer);
    else
      wrong = problem_of(kind, answer.error(),
                         context.retry_after ? context.retry_after
                                             : known_wait(answer.error(), edge_.options.time.wall()));
  } catch (const std::exception& error) {
    edge_.log.error("handler failed path={} id={} error=\"{}\"", loggable_target(asked.path),
                    context.request_id, error.what());
    wrong = problem_of(kind, fault{errc::internal,
                                   "the server failed to answer this request",
                                   {},
                                   "report it with the request id"});
  }
  if (wrong) {
    admission named;
    named.request_id = context.request_id;
    named.path = admitted.path;
    named.started = admitted.started;
    named.match.kind = kind;
    out = failure(named, *wrong);
  }
  out.headers.push_back({"X-Request-Id", context.request_id});
  co_return std::move(out);
}

// -- answers --------------------------------------------------------------------------------------------

response pipeline::failure(const admission& admitted, const problem& what) const {
  const exchange_facts facts{admitted.request_id, edge_.options.time.wall(),
                             edge_.options.time.steady() - admitted.started, admitted.path};
  return error_response(admitted.match.kind, what, facts);
}

response pipeline::http_failure(const admission& admitted, unsigned status, std::string message,
                                std::string hint) const {
  return failure(admitted, http_problem(admitted.match.kind, status, std::move(message), std::move(hint)));
}

void pipeline::add_cors(const request_head& head, response& out) const {
  const auto origin = head.header("Origin");
  if (!edge_.options.allow_origins.empty())
    out.headers.push_back({"Vary", "Origin"});
  if (origin.empty() || !is_listed_origin(edge_.options, origin))
    return;
  out.headers.push_back({"Access-Control-Allow-Origin", std::string(origin)});
  out.headers.push_back({"Access-Control-Expose-Headers",
                         "X-Request-Id, X-Process-Time, Retry-After, Location, ETag, "
                         "x-assay-served-by, x-assay-cost, x-assay-cached"});
}

void pipeline::finish(const request_head& head, const admission& admitted, response& out) const {
  const auto has = [&](std::string_view name) {
    return std::any_of(out.headers.begin(), out.headers.end(),
                       [&](const header_field& one) { return equals_ignoring_case(one.name, name); });
  };
  const auto add = [&](const char* name, std::string value) {
    if (!has(name))
      out.headers.push_back({name, std::move(value)});
  };
  const auto elapsed = edge_.options.time.steady() - admitted.started;
  add("X-Request-Id", admitted.request_id);
  add("X-Process-Time", milliseconds_text(elapsed));
  add("Server", "assay/" + edge_.options.version);
  add("Date", http_date(edge_.options.time.wall()));
  add("X-Content-Type-Options", "nosniff");
  add("X-Frame-Options", "DENY");
  add("Referrer-Policy", "no-referrer");
  add("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  add("Cache-Control", "no-store");
  if (head.secure)
    add("Strict-Transport-Security", "max-age=31536000");
  add_cors(head, out);
  const auto id = std::find_if(out.headers.begin(), out.headers.end(),
                               [](const header_field& one) { return one.name == "X-Request-Id"; });
  edge_.counters.count(out.status, std::chrono::duration<double>(elapsed).count());
  edge_.log.info("request method={} path={} status={} time={} id={} peer={}", to_string(head.method),
                 loggable_target(head.target), out.status, milliseconds_text(elapsed), id->value, head.peer);
}

} // namespace assay::server
