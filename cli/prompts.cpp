#include "cli/prompts.hpp"

#include <nlohmann/json.hpp>

namespace assay::cli {

using nlohmann::json;

json first_prompts(const std::shared_ptr<const tasks::task_definition>& task,
                   const tasks::sample_options& given) {
  json out = json::object();
  for (const auto& type : task->prompt_types()) {
    if (!given.prompt_type.empty() && given.prompt_type != type)
      continue;
    auto options = given;
    options.prompt_type = type;
    options.limit = 1;
    auto source = tasks::sample_source::open(task, options);
    tasks::prepared_sample sample;
    if (!source)
      continue;
    if (const auto more = source->next(sample); !more || !*more)
      continue;
    json messages = json::array();
    for (const auto& message : sample.messages)
      messages.push_back({{"role", to_string(message.role)}, {"content", message.content.str()}});
    out[type] = {{"messages", std::move(messages)}, {"target", sample.target.str()}};
  }
  return out;
}

std::string render_first_prompts(const terminal& where,
                                 const std::shared_ptr<const tasks::task_definition>& task,
                                 const tasks::sample_options& options) {
  std::string out;
  const auto prompts = first_prompts(task, options);
  for (const auto& [type, sample] : prompts.items()) {
    out += paint(where, colour::bold, task->id.value + ", prompt type " + type) + "\n";
    for (const auto& message : sample["messages"])
      out += "  " + paint(where, colour::cyan, message["role"].get<std::string>()) + "\n"
             + as_block(message["content"].get<std::string>(), 4) + "\n";
    out += "  " + paint(where, colour::cyan, "target") + "\n"
           + as_block(sample["target"].get<std::string>(), 4) + "\n\n";
  }
  return out;
}

} // namespace assay::cli
