// The paths below /mock: what a test asks and tells the mock provider itself.
#include "mock/service.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr size_t most_of_record = 1024 * 1024;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

reply fault_reply(const request_view& request, const fault& problem) {
  const int status = problem.code == errc::not_found ? 404 : problem.code == errc::store_failed ? 500 : 400;
  return json_reply(request,
                    {{"error",
                      {{"message", problem.message},
                       {"type", to_string(problem.code)},
                       {"param", problem.where},
                       {"code", nullptr},
                       {"hint", problem.hint}}}},
                    status);
}

fault no_number(const char* name) { return {errc::invalid_argument, "must be a number", name, {}}; }

} // namespace

reply json_reply(const request_view& request, const json& body, int status) {
  head_fields head;
  head.status = status;
  head.close = !request.keep_alive;
  reply out;
  out.bytes = plain_answer(head, dump(body));
  out.end = request.keep_alive ? reply_end::keep : reply_end::close;
  return out;
}

reply service::record_slice(const request_view& request, std::string_view query) const {
  const auto offset = query_number(query, "offset");
  if (!offset)
    return fault_reply(request, {errc::invalid_argument, "must be a byte offset", "offset", {}});
  auto slice = record_->read(*offset, most_of_record);
  if (!slice)
    return fault_reply(request, slice.error());
  const auto next = "x-assay-next-offset: " + std::to_string(slice->next) + "\r\n";
  head_fields head;
  head.content_type = "application/x-ndjson";
  head.close = !request.keep_alive;
  head.more = next;
  reply out;
  out.bytes = plain_answer(head, slice->lines);
  out.end = request.keep_alive ? reply_end::keep : reply_end::close;
  return out;
}

std::optional<json> service::control_answer(const request_view& request, std::string_view path,
                                            std::string_view query, std::optional<fault>& problem) {
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  if (path == "/mock/calls" && get) {
    auto out = record_->summary();
    if (query_value(query, "list")) {
      const auto limit = query_number(query, "list");
      const auto after = query_number(query, "after");
      if (!limit || !after)
        problem = no_number(limit ? "after" : "list");
      else
        out.update(record_->list(*after, *limit));
    }
    return out;
  }
  if (path == "/mock/limits" && get)
    return limiter_.to_json(options_.clock());
  if (path == "/mock/limits" && post) {
    if (auto rules = parse_limit_rules(request.body); !rules)
      problem = rules.error();
    else
      limiter_.replace(std::move(*rules));
    return limiter_.to_json(options_.clock());
  }
  if (path == "/mock/faults" && get)
    return faults_.to_json();
  if (path == "/mock/faults" && post) {
    if (auto rules = parse_fault_rules(request.body); !rules)
      problem = rules.error();
    else
      faults_.replace(std::move(*rules));
    return faults_.to_json();
  }
  if (path == "/mock/reset" && post) {
    record_->reset();
    limiter_.reset();
    faults_.replace(options_.faults);
    batches_.clear();
    files_.clear();
    return json{{"reset", true}};
  }
  return {};
}

reply service::control(const request_view& request, std::string_view path, std::string_view query) {
  constexpr std::array<std::string_view, 5> paths{"/mock/calls", "/mock/record", "/mock/limits",
                                                  "/mock/faults", "/mock/reset"};
  if (path == "/mock/record" && request.method == "GET")
    return record_slice(request, query);
  std::optional<fault> problem;
  const auto answer = control_answer(request, path, query, problem);
  if (problem)
    return fault_reply(request, *problem);
  if (answer)
    return json_reply(request, *answer);
  if (std::find(paths.begin(), paths.end(), path) != paths.end())
    return json_reply(request, {{"error", {{"message", "Use another HTTP method."}, {"type", "method"}}}},
                      405);
  return fault_reply(request, {errc::not_found,
                               "No such control path; there are /mock/calls, /mock/record, /mock/limits, "
                               "/mock/faults and /mock/reset",
                               "path",
                               {}});
}

} // namespace assay::mock
