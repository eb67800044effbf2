#include "core/values/run_request.hpp"
#include "server/request_context.hpp"
#include "server/result_writer.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

namespace {

using json = nlohmann::json;

json rescored_json(const run_submitted& answer) {
  const auto& spec = answer.record.spec;
  return {
      {"evaluation_id", to_string(spec.id)},
      {"origin", to_string(spec.origin)},
      {"status", engine_status(answer.record.state)},
      {"state", to_string(answer.record.state)},
      {"message", "The answers are scored again"},
      {"created_at", to_rfc3339(spec.created_at)},
      {"calls", answer.calls},
      {"estimated_cost", answer.estimated_cost ? json(to_dollars(*answer.estimated_cost)) : json(nullptr)},
      {"notes", answer.notes}};
}

boost::asio::awaitable<result<response>> rescore(request_context& context) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto stored = readable_run(context, *id);
  if (!stored)
    co_return stored.error();
  if (auto refused = refuse_uncounted_calls(context)) // Judges may be asked.
    co_return std::move(*refused);
  submit_run message;
  message.request.origin = *id;
  message.owner = context.who().id;
  message.api_key = context.who().api_key;
  message.key_budget = context.who().key_budget;
  if (context.body) {
    if (const auto found = context.body->find("max_cost"); found != context.body->end() && found->is_number())
      message.request.max_cost = from_dollars(found->get<double>());
    if (const auto found = context.body->find("metadata"); found != context.body->end() && found->is_object())
      message.request.metadata = found->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  auto answer = co_await context.edge.farm.submit(std::move(message));
  if (!answer)
    co_return answer.error();
  auto out = context.answer(rescored_json(*answer), 201);
  out.headers.push_back({"Location", "/evaluations/" + to_string(answer->record.spec.id)});
  co_return std::move(out);
}

} // namespace

void add_rescoring_routes(route_table& table) {
  table.schemas().add("RescoreRequest", R"({
    "type": "object",
    "properties": {
      "max_cost": {"type": ["number", "null"], "minimum": 0, "maximum": 1000000000, "description": "Dollars; what judges may cost. Nothing else costs anything."},
      "metadata": {"type": ["object", "null"], "description": "Yours; kept and returned. Not given, that of the first evaluation."},
      "request_id": {"description": "Echoed in X-Request-Id."}
    }
  })");
  route one;
  one.method = http_method::post;
  one.path = "/evaluations/{id}/rescore";
  one.needs = permission::evaluation_create;
  one.tag = "evaluations";
  one.summary = "Score the answers of an evaluation again";
  one.details =
      "Makes an evaluation of its own, whose origin is this one: its answers are taken as they are, no model "
      "is "
      "asked for them, and they cost nothing. Tasks are read as their files are now, so that other scorers "
      "and "
      "targets count; questions and rows must be the same. Also for evaluations that were predict_only.";
  one.request_schema = "RescoreRequest";
  one.body_optional = true;
  one.response_schema = "EvaluationCreated";
  one.success = 201;
  one.handler = &rescore;
  table.add(std::move(one));
}

} // namespace assay::server
