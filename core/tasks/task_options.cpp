#include "core/tasks/task_options.hpp"

#include <limits>
#include <utility>

namespace assay::tasks {
namespace {

constexpr size_t most_turns = 32;

} // namespace

sampling read_generation(const yaml_fields& task) {
  sampling out;
  if (!task.has("generation"))
    return out;
  const yaml_fields fields(task.get("generation"), "generation", task.faults(),
                           {"temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens",
                            "max_gen_toks", "seed", "stop", "until", "do_sample"});
  out.temperature = fields.number("temperature", 0, 2);
  if (fields.has("do_sample") && !fields.flag("do_sample", true)) {
    if (out.temperature.value_or(0) != 0)
      fields.wrong("do_sample", "do_sample false contradicts the temperature", "keep one of them");
    out.temperature = 0;
  }
  out.top_p = fields.number("top_p", 0, 1);
  out.frequency_penalty = fields.number("frequency_penalty", -2, 2);
  out.presence_penalty = fields.number("presence_penalty", -2, 2);
  for (const char* key : {"max_tokens", "max_gen_toks"})
    if (const auto tokens = fields.integer(key, 1, 10'000'000)) {
      if (out.max_tokens && *out.max_tokens != static_cast<uint32_t>(*tokens))
        fields.wrong(key, "max_tokens and max_gen_toks contradict each other", "keep one of them");
      out.max_tokens = static_cast<uint32_t>(*tokens);
    }
  out.seed = fields.integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  out.stop = fields.texts("stop");
  for (std::string& text : fields.texts("until"))
    out.stop.push_back(std::move(text));
  return out;
}

text_template read_template(const yaml_fields& fields, std::string_view key) {
  auto compiled = text_template::compile(fields.text(key));
  if (compiled.has_error()) {
    fields.wrong(key, compiled.error().message, compiled.error().hint);
    return {};
  }
  return std::move(*compiled);
}

namespace {

/// Jinja's braces would otherwise be sent to the model as they are.
void check_prompt(const yaml_fields& fields, const std::string& key, const text_template& prompt) {
  if (prompt.is_constant() && prompt.source().find("{{") != std::string::npos)
    fields.wrong(key, "the prompt has no field, only {{ braces }}", "write {question}, with single braces");
  if (prompt.source().empty())
    fields.wrong(key, "the prompt is empty");
}

void read_turns(const yaml_fields& parts, prompt_variant& variant) {
  const auto turns = parts.texts("turns");
  if (parts.has("user"))
    parts.wrong("turns", "both user and turns are given", "make user the first of the turns");
  if (turns.empty() || turns.size() > most_turns)
    return parts.wrong("turns", "expected a list of 1 to " + std::to_string(most_turns) + " texts");
  for (size_t i = 0; i < turns.size(); ++i) {
    auto compiled = text_template::compile(turns[i]);
    if (compiled.has_error())
      return parts.wrong("turns", "turn " + std::to_string(i + 1) + ": " + compiled.error().message,
                         compiled.error().hint);
    if (turns[i].empty())
      return parts.wrong("turns", "turn " + std::to_string(i + 1) + " is empty");
    if (i == 0)
      variant.user = std::move(*compiled);
    else
      variant.later_turns.push_back(std::move(*compiled));
  }
  check_prompt(parts, "turns", variant.user);
}

prompt_variant read_variant(const yaml_fields& fields, const std::string& key, const std::string& name) {
  prompt_variant variant;
  variant.name = name;
  const YAML::Node node = fields.get(key);
  if (!node.IsMap()) {
    variant.user = read_template(fields, key);
    check_prompt(fields, key, variant.user);
    return variant;
  }
  const yaml_fields parts(node, fields.path_of(key), fields.faults(),
                          {"system", "user", "turns", "messages"});
  if (parts.has("system"))
    variant.system = read_template(parts, "system");
  if (parts.has("messages")) {
    variant.messages = parts.text("messages");
    if (variant.messages.empty() || parts.has("user") || parts.has("turns") || parts.has("system"))
      parts.wrong("messages",
                  "expected the name of the column with the conversation, and no other key beside it");
    return variant;
  }
  if (parts.has("turns")) {
    read_turns(parts, variant);
    return variant;
  }
  if (!parts.has("user"))
    parts.wrong("user", "the prompt has no user message", "for example: user: \"{question}\"");
  variant.user = read_template(parts, "user");
  if (parts.has("user"))
    check_prompt(fields, key, variant.user);
  return variant;
}

} // namespace

std::vector<prompt_variant> read_prompts(const yaml_fields& task) {
  std::vector<prompt_variant> prompts;
  if (task.has("prompt") && task.has("prompts")) {
    task.wrong("prompt", "both prompt and prompts are given", "keep prompts");
  } else if (task.has("prompt")) {
    prompts.push_back(read_variant(task, "prompt", "baseline"));
  } else if (task.has("prompts")) {
    const YAML::Node node = task.get("prompts");
    const yaml_fields fields(node, "prompts", task.faults(), {});
    if (node.IsMap()) {
      for (const auto& item : node)
        if (item.first.IsScalar())
          prompts.push_back(read_variant(fields, item.first.Scalar(), item.first.Scalar()));
      if (prompts.empty())
        task.wrong("prompts", "there is no prompt", "for example: prompts: {baseline: \"{question}\"}");
    }
  } else {
    task.wrong("prompts", "the task has no prompt", "for example: prompt: \"{question}\"");
  }
  return prompts;
}

} // namespace assay::tasks
