#include "core/llm/batch_rows.hpp"

#include "core/llm/chat_reply.hpp"
#include "core/llm/llm_reply.hpp"
#include "core/llm/prompt_template.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::llm {

using nlohmann::json;

namespace {

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

/// Braces of the caller are no places of the task.
std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '{' || c == '}')
      out += c;
  }
  return out;
}

json head_of(const json& row) {
  return {{"index", row.value("index", uint64_t{0})}, {"item", row.value("item", json())}};
}

} // namespace

std::string batch_task(std::string_view system_prompt) {
  // JSON is YAML too, and knows how to quote.
  json prompt{{"user", "{prompt}"}};
  if (!system_prompt.empty())
    prompt["system"] = literal(system_prompt);
  const json task{{"id", "llm_batch"},
                  {"dataset", "rows.jsonl"},
                  {"prompts", {{"baseline", std::move(prompt)}}},
                  {"target", "none"},
                  {"scorer", "exact_match"}};
  return text_of(task) + "\n";
}

std::string batch_row(size_t index, const json& item, std::string_view prompt_template) {
  json row{{"index", index}, {"item", item}};
  auto prompt = fill_prompt(prompt_template, item);
  if (prompt)
    row["prompt"] = std::move(*prompt);
  else
    row["error"] = to_string(prompt.error());
  return text_of(row);
}

json answered_item(const json& row, const response_record& answer) {
  auto out = head_of(row);
  out["response"] = answer.answer.str();
  out["usage"] = llm_usage(answer.usage, answer.cost);
  out["finish_reason"] = finish_word(answer.finish);
  out["cached"] = answer.cached;
  return out;
}

json failed_item(const json& row, const fault& reason) {
  auto out = head_of(row);
  if (const auto own = row.find("error"); own != row.end() && own->is_string()) {
    out["error"] = *own;
    out["error_code"] = to_string(errc::template_failed);
    return out;
  }
  out["error"] = to_string(reason);
  out["error_code"] = to_string(reason.code);
  return out;
}

json batch_statistics(const run_record& run) {
  const auto& progress = run.progress;
  const auto completed = progress.done - std::min(progress.done, progress.failed);
  const auto missing = progress.total - std::min(progress.total, completed);
  return {{"total_requests", progress.total},
          {"completed_requests", completed},
          {"failed_requests", is_final(run.state) ? missing : progress.failed},
          {"total_tokens", progress.usage.prompt_tokens + progress.usage.completion_tokens},
          {"total_cost", progress.cost ? to_dollars(*progress.cost) : 0.0},
          {"start_time", to_rfc3339(run.started_at.value_or(run.spec.created_at))},
          {"end_time", run.finished_at ? json(to_rfc3339(*run.finished_at)) : json()}};
}

std::string batch_file_name(const run_record& run) {
  std::string digits;
  for (const char c : to_rfc3339(run.spec.created_at).substr(0, 19))
    if (c >= '0' && c <= '9')
      digits += c;
  digits.insert(8, "_");
  return run.spec.provider.value + "_" + digits + "_" + to_string(run.spec.id);
}

} // namespace assay::llm
