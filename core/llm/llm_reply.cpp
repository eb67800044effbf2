#include "core/llm/llm_reply.hpp"

#include <nlohmann/json.hpp>

namespace assay::llm {

using nlohmann::json;

namespace {

uint64_t total(const token_usage& usage) { return uint64_t{usage.prompt_tokens} + usage.completion_tokens; }

json calls_json(const std::vector<tool_call>& calls) {
  auto out = json::array();
  for (const auto& call : calls)
    out.push_back({{"id", call.id},
                   {"type", "function"},
                   {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  return out;
}

} // namespace

json llm_usage(const token_usage& usage, const std::optional<money>& cost) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", total(usage)},
          {"cost", cost ? json(to_dollars(*cost)) : json()}};
}

json llm_answer(const model_answer& answer, const answer_facts& facts) {
  const std::string text(answer.text);
  json out{{"result", text},
           {"text", text},
           {"model", answer.served_model.empty() ? facts.model : std::string(answer.served_model)},
           {"tokens_used", total(answer.usage)},
           {"token_breakdown",
            {{"prompt_tokens", answer.usage.prompt_tokens},
             {"completion_tokens", answer.usage.completion_tokens},
             {"total_tokens", total(answer.usage)}}},
           {"usage", llm_usage(answer.usage, facts.cost)},
           {"finish_reason", finish_word(answer.finish)},
           {"provider", facts.provider},
           {"cost", facts.cost ? json(to_dollars(*facts.cost)) : json()},
           {"cached", facts.cached}};
  auto warnings = json::array();
  if (!facts.cost)
    warnings.push_back("the prices of this model are unknown, so the cost is too");
  if (facts.usage_estimated)
    warnings.push_back("the provider counted no tokens; these are estimated");
  if (answer.extras != nullptr) {
    if (!answer.extras->reasoning.empty())
      out["reasoning"] = answer.extras->reasoning;
    if (!answer.extras->tool_calls.empty())
      out["tool_calls"] = calls_json(answer.extras->tool_calls);
    if (const auto& raw = answer.extras->raw_response; !raw.empty()) {
      auto body = json::parse(raw, nullptr, false);
      out["raw_response"] = body.is_discarded() ? json(raw) : std::move(body);
    }
    for (const auto& dropped : answer.extras->dropped)
      warnings.push_back(dropped);
  }
  out["warnings"] = warnings.empty() ? json() : std::move(warnings);
  return out;
}

} // namespace assay::llm
