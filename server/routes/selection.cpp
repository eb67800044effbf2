#include "core/control/model_selection.hpp"
#include "server/model_choice.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
using control::selection_candidate;
using control::selection_wish;
template <class T>
using awaitable = boost::asio::awaitable<T>;

std::optional<double> number_in(const json& from, const char* name) {
  const auto found = from.find(name);
  return found == from.end() || found->is_null() ? std::nullopt : std::optional{found->get<double>()};
}

std::vector<std::string> words_in(const json& from, const char* name) {
  const auto found = from.find(name);
  return found == from.end() || found->is_null() ? std::vector<std::string>{}
                                                 : found->get<std::vector<std::string>>();
}

/// What stands in `requirements` may stand beside it too; the top wins.
result<selection_wish> wish_of(const json& given) {
  auto body = given.value("requirements", json::object());
  body.update(given);
  selection_wish out;
  out.task_type = body.value("task_type", std::string{});
  out.content_tokens = body.value("content_size", uint64_t{0});
  out.answer_tokens = body.value("max_tokens", uint64_t{0});
  const auto priority =
      control::selection_priority_from_string(body.value("priority", std::string{"balanced"}));
  if (!priority)
    return fault{errc::invalid_argument, "is no priority", "priority", "balanced, speed, quality or cost"};
  out.priority = *priority;
  out.capabilities = words_in(body, "capabilities");
  out.providers = words_in(body, "providers");
  out.max_cost = number_in(body, "max_cost");
  out.max_response_time = number_in(body, "max_response_time");
  out.min_quality = number_in(body, "min_quality");
  out.min_success_rate = number_in(body, "min_success_rate");
  return out;
}

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json selected_json(const control::selected_model& one, const selection_candidate& from) {
  return {{"model", from.model.id.value},
          {"provider", from.model.provider.value},
          {"score", one.score.total},
          {"score_parts",
           {{"speed", one.score.speed},
            {"quality", one.score.quality},
            {"cost", one.score.cost},
            {"reliability", one.score.reliability}}},
          {"reasons", one.reasons},
          {"response_time_avg", or_null(from.latency)},
          {"success_rate", or_null(from.success_rate)},
          {"quality_score", or_null(from.quality)},
          {"samples", from.samples},
          {"estimated_cost", or_null(one.cost)}};
}

json excluded_json(const control::model_selection& found, const std::vector<selection_candidate>& all) {
  json out = json::array();
  for (const auto& one : found.excluded)
    out.push_back({{"model", all[one.candidate].model.id.value},
                   {"provider", all[one.candidate].model.provider.value},
                   {"reason", one.reason}});
  return out;
}

awaitable<result<response>> select(request_context& context) {
  const auto wish = wish_of(*context.body);
  if (!wish)
    co_return wish.error();
  const auto gathered = co_await gather_candidates(context.edge);
  if (!gathered)
    co_return gathered.error();
  const auto& all = *gathered;
  const auto found = control::select_models(*wish, all);
  if (found.ranked.empty())
    co_return nothing_fits(found, all);
  auto out = selected_json(found.ranked.front(), all[found.ranked.front().candidate]);
  out["model_id"] = out["model"];
  out["priority"] = control::to_string(wish->priority);
  out["task_type"] = wish->task_type.empty() ? json(nullptr) : json(wish->task_type);
  out["content_size"] = wish->content_tokens;
  json alternatives = json::array();
  for (size_t i = 1; i < found.ranked.size(); ++i)
    alternatives.push_back(selected_json(found.ranked[i], all[found.ranked[i].candidate]));
  out["alternatives"] = std::move(alternatives);
  out["excluded"] = excluded_json(found, all);
  co_return context.answer(out);
}

void add_schemas(schema_set& schemas) {
  const std::string requirements = R"(
      "max_tokens": {"type": "integer", "minimum": 0, "maximum": 1000000000, "description": "Tokens of the answer; they need room in the context window too."},
      "capabilities": {"type": "array", "maxItems": 32, "items": {"type": "string", "maxLength": 64}, "description": "All of them.", "examples": [["vision"]]},
      "providers": {"type": "array", "maxItems": 64, "items": {"type": "string", "maxLength": 128}, "description": "Only models of these."},
      "max_cost": {"type": ["number", "null"], "minimum": 0, "description": "Dollars of the call, by the model's prices."},
      "max_response_time": {"type": ["number", "null"], "minimum": 0, "description": "Seconds, mean."},
      "min_quality": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
      "min_success_rate": {"type": ["number", "null"], "minimum": 0, "maximum": 1})";
  schemas.add("ModelRequirements",
              R"({"type": "object", "additionalProperties": false, "properties": {)" + requirements + "}}");
  schemas.add("ModelWish", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "task_type": {"type": "string", "maxLength": 128, "examples": ["grading"], "description": "Excludes models whose supported_tasks lack it."},
      "content_size": {"type": "integer", "minimum": 0, "maximum": 1000000000, "description": "Tokens of the prompt; excludes models whose context window is too small."},
      "priority": {"type": "string", "maxLength": 32, "default": "balanced", "description": "balanced, speed, quality or cost."},
      "requirements": {"$ref": "#/components/schemas/ModelRequirements"},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128},)"
                               + requirements + "}}");
  schemas.add("ModelChoice", R"({
    "type": "object",
    "properties": {
      "model": {"type": "string"}, "model_id": {"type": "string"}, "provider": {"type": "string"},
      "score": {"type": "number", "description": "0 to 1, among the models that can do it."},
      "score_parts": {"type": "object"}, "reasons": {"type": "array", "items": {"type": "string"}},
      "priority": {"type": "string"}, "task_type": {"type": ["string", "null"]}, "content_size": {"type": "integer"},
      "response_time_avg": {"type": ["number", "null"]}, "success_rate": {"type": ["number", "null"]},
      "quality_score": {"type": ["number", "null"]}, "samples": {"type": "integer"},
      "estimated_cost": {"type": ["number", "null"]},
      "alternatives": {"type": "array", "items": {"type": "object"}, "description": "The others that can do it, the best first."},
      "excluded": {"type": "array", "items": {"type": "object"}, "description": "Those that cannot, and why."}
    },
    "required": ["model", "provider", "score", "reasons", "alternatives", "excluded"]
  })");
}

} // namespace

void add_selection_routes(route_table& table) {
  add_schemas(table.schemas());
  route one;
  one.method = http_method::post;
  one.path = "/llm_api/select";
  one.needs = permission::models_read;
  one.tag = "models";
  one.summary = "The best model for a purpose, with reasons";
  one.details =
      "Models are ranked by speed, quality, cost and reliability, each scaled between the worst and the best "
      "of "
      "those that can do it: a quarter each when balanced, else 0.7 for the priority and 0.1 for each other. "
      "What is unknown counts as the mean of the others. Times and rates are those of the last hour, or day.";
  one.request_schema = "ModelWish";
  one.response_schema = "ModelChoice";
  one.handler = &select;
  table.add(std::move(one));
}

} // namespace assay::server
