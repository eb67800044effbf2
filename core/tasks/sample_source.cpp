#include "core/tasks/sample_source.hpp"

#include "core/tasks/name_hint.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <utility>

namespace assay::tasks {
namespace {

// Rows drawn beyond those needed, in case that questions repeat or cannot be rendered.
constexpr uint64_t spare_rows = 16;
constexpr uint64_t everything = std::numeric_limits<uint64_t>::max();

/// A number below @p bound without bias. The standard's distributions differ between libraries; this does
/// not.
uint64_t draw_below(std::mt19937_64& random, uint64_t bound) {
  const uint64_t usable = everything - everything % bound;
  uint64_t value = random();
  while (value >= usable)
    value = random();
  return value % bound;
}

/// @returns @p count distinct numbers below @p bound in random order (Floyd's algorithm, then Fisher-Yates).
std::vector<uint64_t> draw_rows(int64_t seed, uint64_t count, uint64_t bound) {
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  std::set<uint64_t> chosen;
  for (uint64_t i = bound - std::min(count, bound); i < bound; ++i)
    if (const uint64_t row = draw_below(random, i + 1); !chosen.insert(row).second)
      chosen.insert(i);
  std::vector<uint64_t> rows(chosen.begin(), chosen.end());
  for (size_t i = rows.size(); i > 1; --i)
    std::swap(rows[i - 1], rows[draw_below(random, i)]);
  return rows;
}

fault at_field(fault value, std::string_view field) {
  value.where = field;
  return value;
}

/// Takes the conversation out of the column @p name: a list of {role, content}. A row with the column `error`
/// could not be made.
std::optional<fault> read_messages(const row_value& fields, const std::string& name, prepared_sample& out) {
  if (const auto* error = fields.find("error"); error != nullptr && error->type() == row_value::kind::text)
    return fault{errc::template_failed, error->text(), name, "see the task's templates"};
  const auto broken = [&](std::string what) {
    return fault{errc::template_failed, std::move(what), name,
                 "each message is an object with role (system, user, assistant) and content, a text"};
  };
  const auto* list = fields.find(name);
  if (list == nullptr || list->type() != row_value::kind::array || list->size() == 0)
    return broken("the column `" + name + "` holds no list of messages");
  for (size_t i = 0; i < list->size(); ++i) {
    const auto* role = list->at(i)->find("role");
    const auto* content = list->at(i)->find("content");
    if (role == nullptr || content == nullptr || content->type() != row_value::kind::text)
      return broken("message " + std::to_string(i + 1) + " has no role or no content");
    const auto who = chat_role_from_string(role->text());
    if (!who || *who == chat_role::tool)
      return broken("message " + std::to_string(i + 1) + " has the role `" + role->text().substr(0, 40)
                    + "`");
    out.messages.push_back({*who, shared_text(content->text())});
  }
  if (out.messages.back().role != chat_role::user)
    return broken("the last message is not the user's");
  return std::nullopt;
}

} // namespace

result<sample_source> sample_source::open(std::shared_ptr<const task_definition> task,
                                          const sample_options& options) {
  sample_source source;
  source.task_ = std::move(task);
  const task_definition& definition = *source.task_;
  if (definition.is_unprepared())
    return fault{errc::unsupported, "the prompts of this task are made when a run of it is submitted",
                 definition.file, "start a run, with a small limit to look at them"};
  source.prompt_ =
      options.prompt_type.empty() ? &definition.prompts.front() : definition.find_prompt(options.prompt_type);
  if (source.prompt_ == nullptr)
    return fault{errc::invalid_argument,
                 "the task `" + definition.id.value + "` has no prompt `" + options.prompt_type + "`",
                 "prompt_types", name_hint(options.prompt_type, definition.prompt_types())};
  if (!options.context_mode.empty() && !is_context_mode(options.context_mode))
    return fault{errc::invalid_argument, "no context mode is called `" + options.context_mode + "`",
                 "context_mode", "known: no_context, minimal_context, full_context, domain_context"};
  if (const auto text = definition.contexts.find(options.context_mode); text != definition.contexts.end())
    source.context_ = text->second;
  auto reader = dataset_reader::open(options.dataset_path.empty() ? definition.dataset : options.dataset_path,
                                     definition.format);
  if (reader.has_error())
    return reader.error();
  source.reader_ = std::move(*reader);
  source.limit_ = options.limit.value_or(everything);
  source.num_fewshot_ = source.prompt_->messages.empty() ? options.num_fewshot : 0;
  if (source.num_fewshot_ > 0) {
    auto examples = source.draw_examples(options);
    if (examples.has_error())
      return examples.error();
    source.examples_ = std::move(*examples);
  }
  if (!source.prompt_->system || source.prompt_->system->is_constant()) {
    auto text = source.system_text({});
    if (text.has_error())
      return text.error();
    source.fixed_system_ = shared_text(*text);
  }
  return source;
}

result<std::vector<sample_source::example>>
sample_source::draw_examples(const sample_options& options) const {
  if (options.num_fewshot > most_fewshot_examples)
    return fault{errc::invalid_argument, "more than 100 few-shot examples", "num_fewshot", "ask for fewer"};
  // Without a dataset of their own, examples come from the pinned one.
  const fewshot_source& from = task_->fewshot;
  const std::string path =
      from.dataset == task_->dataset && !options.dataset_path.empty() ? options.dataset_path : from.dataset;
  auto counter = dataset_reader::open(path, from.format);
  if (counter.has_error())
    return counter.error();
  const auto rows = (*counter)->skip(everything);
  if (rows.has_error())
    return rows.error();
  const std::vector<uint64_t> drawn = draw_rows(options.seed, options.num_fewshot + 1 + spare_rows, *rows);

  // Rows are read in the file's order, and used in the drawn one.
  std::vector<uint64_t> sorted = drawn;
  std::sort(sorted.begin(), sorted.end());
  auto reader = dataset_reader::open(path, from.format);
  if (reader.has_error())
    return reader.error();
  std::vector<std::optional<example>> by_draw(drawn.size());
  std::optional<fault> unusable;
  for (const uint64_t row : sorted) {
    const auto skipped = (*reader)->skip(row - (*reader)->position());
    if (skipped.has_error())
      return skipped.error();
    auto read = (*reader)->next();
    if (read.has_error())
      return read.error();
    if (!*read)
      return fault{errc::dataset_changed, "the few-shot dataset shrank while it was read", path,
                   "start again"};
    const auto question = prompt_->user.render((*read)->fields);
    const auto answer = from.answer.render((*read)->fields);
    if (question.has_error() || answer.has_error()) {
      unusable = question.has_error() ? question.error() : answer.error();
      continue;
    }
    const auto place = std::find(drawn.begin(), drawn.end(), row) - drawn.begin();
    by_draw[static_cast<size_t>(place)] = example{shared_text(*question), shared_text(*answer)};
  }

  std::vector<example> examples;
  for (std::optional<example>& candidate : by_draw) {
    const bool repeated =
        candidate && std::any_of(examples.begin(), examples.end(), [&](const example& other) {
          return other.question == candidate->question;
        });
    if (candidate && !repeated && examples.size() <= options.num_fewshot)
      examples.push_back(*std::move(candidate));
  }
  if (examples.size() < options.num_fewshot) {
    if (unusable)
      return at_field(*std::move(unusable), "fewshot");
    return fault{errc::invalid_argument,
                 "the few-shot dataset has only " + std::to_string(examples.size())
                     + " different examples, not " + std::to_string(options.num_fewshot),
                 "num_fewshot", "ask for fewer"};
  }
  return examples;
}

result<std::string> sample_source::system_text(const row_value& fields) const {
  std::string text;
  if (prompt_->system) {
    auto rendered = prompt_->system->render(fields);
    if (rendered.has_error())
      return rendered.error();
    text = std::move(*rendered);
  }
  if (!context_.empty())
    text.append(text.empty() ? "" : "\n\n").append(context_);
  return text;
}

std::optional<fault> sample_source::fill(const row_value& fields, prepared_sample& out) const {
  auto problem =
      prompt_->messages.empty() ? fill_prompt(fields, out) : read_messages(fields, prompt_->messages, out);
  if (problem)
    return problem;
  const auto render = [&](const text_template& from, const char* name, shared_text& into) {
    auto text = from.render(fields);
    if (text.has_error())
      problem = at_field(text.error(), name);
    else
      into = shared_text(*text);
    return !problem;
  };
  if (!render(task_->target, "target", out.target))
    return problem;
  if (task_->reference && !render(*task_->reference, "reference", out.reference))
    return problem;
  if (task_->wrong)
    render(*task_->wrong, "wrong", out.wrong);
  return problem;
}

std::optional<fault> sample_source::fill_prompt(const row_value& fields, prepared_sample& out) const {
  if (fixed_system_) {
    if (!fixed_system_->empty())
      out.messages.push_back({chat_role::system, *fixed_system_});
  } else {
    const auto text = system_text(fields);
    if (text.has_error())
      return at_field(text.error(), "prompts." + prompt_->name + ".system");
    if (!text->empty())
      out.messages.push_back({chat_role::system, shared_text(*text)});
  }
  auto question = prompt_->user.render(fields);
  if (question.has_error())
    return at_field(question.error(), "prompts." + prompt_->name);
  uint32_t shown = 0;
  for (const example& one : examples_) {
    if (shown == num_fewshot_)
      break;
    if (one.question.view() == *question)
      continue;
    out.messages.push_back({chat_role::user, one.question});
    out.messages.push_back({chat_role::assistant, one.answer});
    ++shown;
  }
  if (shown < num_fewshot_)
    return fault{errc::template_failed, "there are too few few-shot examples other than the sample itself",
                 "num_fewshot", "ask for fewer"};
  out.messages.push_back({chat_role::user, shared_text(*question)});
  for (size_t i = 0; i < prompt_->later_turns.size(); ++i) {
    auto turn = prompt_->later_turns[i].render(fields);
    if (turn.has_error())
      return at_field(turn.error(), "prompts." + prompt_->name + ".turns[" + std::to_string(i + 1) + "]");
    out.later_turns.emplace_back(*turn);
  }
  return std::nullopt;
}

result<bool> sample_source::next(prepared_sample& out) {
  out = {};
  if (reader_->position() >= limit_)
    return false;
  auto row = reader_->next();
  if (row.has_error())
    return row.error();
  if (!*row)
    return false;
  out.row = (*row)->index;
  out.problem = fill((*row)->fields, out);
  if (out.problem) {
    out.problem->message.append(", sample ").append(std::to_string(out.row));
    out.messages.clear();
    out.later_turns.clear();
    out.target = {};
    out.reference = {};
    out.wrong = {};
  }
  return true;
}

result<uint64_t> sample_source::skip(uint64_t count) {
  const uint64_t left = limit_ - std::min(limit_, reader_->position());
  return reader_->skip(std::min(count, left));
}

} // namespace assay::tasks
