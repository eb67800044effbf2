// Message batches as Anthropic has them: the requests come in the body, the results are one download.
#include "mock/batch_apis.hpp"
#include "mock/json_read.hpp"
#include "mock/json_text.hpp"

#include <nlohmann/json.hpp>

#include <unordered_set>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr size_t most_lines = 100'000;

api_error invalid(std::string message) {
  return {400, std::move(message), "invalid_request_error", {}, {}, {}};
}

api_error not_found(std::string_view id) {
  return {404, "Message batch " + std::string(id) + " not found", "not_found_error", {}, {}, {}};
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

bool ended(batch_phase phase) { return is_over(phase); }

json batch_json(const store_request& call, const batch_view& view) {
  const auto& job = view.job;
  const bool over = ended(view.phase);
  // All counts but the first stay zero until the whole batch has ended.
  const auto left = job.lines.size() - view.answered - view.errored;
  const auto url = call.base_url + std::string(call.path.substr(0, call.path.find("/messages/batches")))
                   + "/messages/batches/" + job.id + "/results";
  return {{"id", job.id},
          {"type", "message_batch"},
          {"processing_status", over                                    ? "ended"
                                : view.phase == batch_phase::cancelling ? "canceling"
                                                                        : "in_progress"},
          {"request_counts",
           {{"processing", over ? 0 : job.lines.size()},
            {"succeeded", over ? view.answered : 0},
            {"errored", over ? view.errored : 0},
            {"canceled", view.phase == batch_phase::cancelled ? left : 0},
            {"expired", view.phase == batch_phase::expired ? left : 0}}},
          {"created_at", call.rfc3339(job.created)},
          {"expires_at", call.rfc3339(view.expires_at)},
          {"ended_at", over ? json(call.rfc3339(view.over_at)) : json()},
          {"archived_at", nullptr},
          {"cancel_initiated_at", job.cancelled ? json(call.rfc3339(*job.cancelled)) : json()},
          {"results_url", over ? json(url) : json()},
          {"simulated", true}};
}

std::optional<api_error> read_lines(std::string_view body, batch_job& job) {
  using namespace reading;
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return invalid("The request body is not valid JSON");
  const auto requests = array_of(member(fields, "requests"));
  if (!requests)
    return invalid("requests: Field required");
  if (requests->size() == 0)
    return invalid("requests: List should have at least 1 item after validation, not 0");
  std::unordered_set<std::string_view> ids;
  for (const auto item : *requests) {
    const auto where = "requests." + std::to_string(job.lines.size());
    if (job.lines.size() == most_lines)
      return invalid("requests: List should have at most 100000 items after validation");
    const auto line = object_of(item);
    const auto id = line ? text_of(member(*line, "custom_id")) : std::nullopt;
    if (!id)
      return invalid(where + ".custom_id: Field required");
    const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
    if (id->empty() || id->size() > 64 || !std::all_of(id->begin(), id->end(), allowed))
      return invalid(where + ".custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'");
    if (!ids.insert(*id).second)
      return invalid(where + ".custom_id: Custom ID '" + std::string(*id) + "' is not unique");
    const auto params = member(*line, "params");
    if (!object_of(params))
      return invalid(where + ".params: Field required");
    job.lines.push_back({std::string(*id), minified(*params), {}});
  }
  return {};
}

api_result<store_answer> create(const store_request& call) {
  batch_job job;
  job.owner = call.owner;
  job.protocol = wire::anthropic;
  job.path = "/v1/messages";
  if (auto mistake = read_lines(call.request.body, job))
    return *mistake;
  store_answer out;
  const auto stored = call.batches.add(std::move(job), "msgbatch_", call.now, [&](const batch_view& view) {
    out.body = dump(batch_json(call, view));
  });
  if (!stored)
    return invalid("Too many batches are kept (simulated limit).");
  return out;
}

std::string results_of(const batch_view& view) {
  const auto& job = view.job;
  std::string out;
  for (const auto i : shuffled(job.lines.size(), job.id)) {
    const auto& outcome = job.outcomes[i];
    out += "{\"custom_id\":";
    append_json_string(out, job.lines[i].custom_id);
    out += ",\"result\":{\"type\":\"";
    if (outcome.status == 0)
      out += view.phase == batch_phase::expired ? "expired\"}}\n" : "canceled\"}}\n";
    else if (outcome.status < 400)
      out.append("succeeded\",\"message\":").append(outcome.body).append("}}\n");
    else
      out.append("errored\",\"error\":").append(outcome.body).append("}}\n");
  }
  return out;
}

api_result<store_answer> list(const store_request& call) {
  const auto limit = query_number(call.query, "limit", 20);
  if (!limit || *limit == 0 || *limit > 1000)
    return invalid("limit: Input should be 1..1000");
  std::vector<json> items;
  call.batches.list(call.owner, wire::anthropic, call.now,
                    [&](const batch_view& view) { items.push_back(batch_json(call, view)); });
  const auto place = [&](const char* name) {
    const auto id = query_value(call.query, name);
    const auto found = std::find_if(items.begin(), items.end(), [&](const json& x) {
      return id && x["id"].get_ref<const std::string&>() == *id;
    });
    return std::pair(id.has_value(), found);
  };
  if (const auto [given, before] = place("before_id"); given)
    items.erase(before, items.end());
  if (const auto [given, after] = place("after_id"); given)
    items.erase(items.begin(), after == items.end() ? after : after + 1);
  const auto more = items.size() > *limit;
  if (more)
    items.resize(*limit);
  json out{{"data", items}, {"has_more", more}};
  out["first_id"] = items.empty() ? json() : items.front()["id"];
  out["last_id"] = items.empty() ? json() : items.back()["id"];
  return store_answer{dump(out)};
}

api_result<store_answer> remove(const store_request& call, std::string_view id) {
  bool over = false;
  const auto found = call.batches.find(call.owner, wire::anthropic, id, call.now,
                                       [&](const batch_view& view) { over = ended(view.phase); });
  if (!found)
    return not_found(id);
  if (!over)
    return invalid("Message batch " + std::string(id)
                   + " cannot be deleted while it is being processed; cancel it "
                     "first");
  call.batches.remove(id);
  return store_answer{dump({{"id", id}, {"type", "message_batch_deleted"}})};
}

api_result<store_answer> results(const store_request& call, std::string_view id) {
  store_answer out;
  out.content_type = "application/x-jsonl";
  bool over = false;
  const auto found =
      call.batches.find(call.owner, wire::anthropic, id, call.now, [&](const batch_view& view) {
        over = ended(view.phase);
        if (over)
          out.body = results_of(view);
      });
  if (!found)
    return not_found(id);
  if (!over)
    return api_error{
        404, "Message batch " + std::string(id) + " has no results yet", "not_found_error", {}, {}, {}};
  return out;
}

} // namespace

api_result<store_answer> answer_anthropic_store(const store_request& call) {
  const auto id = call.where.subject;
  store_answer out;
  const auto show = [&](const batch_view& view) { out.body = dump(batch_json(call, view)); };
  switch (call.where.op) {
  case operation::create_batch:
    return create(call);
  case operation::list_batches:
    return list(call);
  case operation::batch_results:
    return results(call, id);
  case operation::delete_batch:
    return remove(call, id);
  case operation::cancel_batch:
    if (!call.batches.cancel(call.owner, wire::anthropic, id, call.now, show))
      return not_found(id);
    return out;
  default:
    if (!call.batches.find(call.owner, wire::anthropic, id, call.now, show))
      return not_found(id);
    return out;
  }
}

} // namespace assay::mock
