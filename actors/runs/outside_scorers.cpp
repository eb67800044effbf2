#include "actors/runs/outside_scorers.hpp"

#include "core/scoring/code_scorer.hpp"
#include "core/scoring/judge.hpp"
#include "core/scoring/similarity.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <tuple>
#include <utility>

namespace assay {

namespace {

using nlohmann::json;
using scoring::scorer_definition;
using scoring::scorer_need;

constexpr uint32_t longest_verdict = 1'024;
constexpr milliseconds python_deadline{60'000};

fault cannot_score(std::string message, std::string hint = {}) {
  return {errc::scorer_failed, std::move(message), {}, std::move(hint)};
}

fault why_not(const fault& reason) { return cannot_score(reason.message, reason.hint); }

score_value value_of(size_t scorer, scoring::score_outcome&& outcome) {
  return {static_cast<uint8_t>(scorer), outcome.value, std::move(outcome.extracted)};
}

result<std::vector<score_value>> one_value(size_t scorer, scoring::score_outcome&& outcome) {
  if (outcome.problem)
    return why_not(*outcome.problem);
  return std::vector{value_of(scorer, std::move(outcome))};
}

// -- code --------------------------------------------------------------------------------------------------

/// The scorers of a task that look at the same run of the hidden tests.
class code_tests final : public outside_scorer {
public:
  explicit code_tests(const scorer_definition& first) : definition_(first) {}

  bool fits(const scorer_definition& other) const {
    const auto program = [](const scorer_definition& d) {
      return std::tie(d.language, d.cpu_ms, d.wall_ms, d.memory_mb);
    };
    return program(definition_) == program(other);
  }
  void serve(size_t index, scoring::scorer_type type) { scorers_.emplace_back(index, type); }

  result<std::vector<scoring_job>> jobs(const answer_to_score& what) const override {
    std::vector<std::string> turns;
    for (const auto& turn : what.turns)
      turns.push_back(turn.str());
    std::vector<scoring_job> out;
    out.emplace_back(scoring::make_code_job(definition_, {what.answer, what.target, turns, what.secret}, 0));
    return out;
  }

  result<std::vector<score_value>> read(const answer_to_score& what,
                                        std::span<const scoring_reply> replies) const override {
    const auto& reply = replies.front();
    if (reply.error)
      return why_not(*reply.error);
    const auto* ended = std::get_if<sandbox_result>(&reply.value);
    if (ended == nullptr)
      return cannot_score("the sandbox gave no result");
    const auto verdict = scoring::read_code_verdict(*ended, what.secret);
    if (verdict.problem)
      return why_not(*verdict.problem);
    std::vector<score_value> out;
    for (const auto& [index, type] : scorers_) {
      auto outcome = scoring::code_outcome(type, verdict);
      if (outcome.problem)
        return why_not(*outcome.problem);
      out.push_back(value_of(index, std::move(outcome)));
    }
    return out;
  }

private:
  scorer_definition definition_;
  std::vector<std::pair<size_t, scoring::scorer_type>> scorers_;
};

// -- judges ------------------------------------------------------------------------------------------------

std::string_view last_question(std::span<const chat_message> messages) {
  for (auto message = messages.rbegin(); message != messages.rend(); ++message)
    if (message->role == chat_role::user)
      return message->content;
  return {};
}

class judges final : public outside_scorer {
public:
  judges(size_t index, const scorer_definition& definition, std::vector<uint16_t> models)
      : index_(index), definition_(definition), models_(std::move(models)) {}

  result<std::vector<scoring_job>> jobs(const answer_to_score& what) const override {
    std::vector<scoring_job> out;
    for (const auto model : models_)
      for (auto& call : calls_for(what)) {
        judge_question question;
        question.judge = model;
        question.messages = std::move(call.messages);
        question.parameters.temperature = 0.0;
        question.parameters.max_tokens = longest_verdict;
        out.emplace_back(std::move(question));
      }
    return out;
  }

  result<std::vector<score_value>> read(const answer_to_score& what,
                                        std::span<const scoring_reply> replies) const override {
    const auto calls = calls_for(what);
    const fault* first = nullptr;
    std::vector<std::optional<double>> verdicts;
    for (size_t i = 0; i < replies.size(); ++i) {
      const auto* text = std::get_if<shared_text>(&replies[i].value);
      if (replies[i].error && first == nullptr)
        first = &*replies[i].error;
      verdicts.push_back(text ? scoring::read_verdict(definition_, *text, calls[i % calls.size()].swapped)
                              : std::nullopt);
    }
    auto outcome = scoring::combine_verdicts(definition_, verdicts);
    if (outcome.problem && first != nullptr)
      return *first;
    return one_value(index_, std::move(outcome));
  }

private:
  std::vector<scoring::judge_call> calls_for(const answer_to_score& what) const {
    return scoring::judge_calls(definition_, {last_question(what.messages), what.answer, what.target});
  }

  size_t index_;
  scorer_definition definition_;
  std::vector<uint16_t> models_;
};

class embeddings final : public outside_scorer {
public:
  embeddings(size_t index, const scorer_definition& definition, uint16_t model)
      : index_(index), definition_(definition), model_(model) {}

  result<std::vector<scoring_job>> jobs(const answer_to_score& what) const override {
    embedding_inputs inputs;
    inputs.texts = scoring::texts_to_embed(definition_, what.answer, what.target);
    judge_question question;
    question.judge = model_;
    question.inputs = std::make_shared<const embedding_inputs>(std::move(inputs));
    std::vector<scoring_job> out;
    out.emplace_back(std::move(question));
    return out;
  }

  result<std::vector<score_value>> read(const answer_to_score&,
                                        std::span<const scoring_reply> replies) const override {
    const auto& reply = replies.front();
    if (reply.error)
      return *reply.error;
    const auto* made = std::get_if<std::shared_ptr<const embedding_vectors>>(&reply.value);
    if (made == nullptr || *made == nullptr)
      return cannot_score("the model gave no vectors");
    return one_value(index_, scoring::similarity_outcome(definition_, (*made)->vectors));
  }

private:
  size_t index_;
  scorer_definition definition_;
  uint16_t model_;
};

// -- Python ------------------------------------------------------------------------------------------------

class python_function final : public outside_scorer {
public:
  python_function(size_t index, const scorer_definition& definition, std::string folder)
      : index_(index), function_(definition.function), call_(definition.call), metric_(metric_of(definition)),
        folder_(std::move(folder)) {}

  result<std::vector<scoring_job>> jobs(const answer_to_score& what) const override {
    json item{{"id", 0}, {"answer", what.answer}, {"target", what.target}};
    json arguments{{"items", json::array()}};
    const json function{{"!function", function_}};
    if (call_ == scoring::python_call::scorer) {
      arguments["scorer"] = function;
    } else {
      take_scored(item);
      if (call_ == scoring::python_call::metric)
        arguments["metrics"] = json::array({{{"name", metric_}, {"function", function}}});
      else
        arguments["process_results"] = function;
    }
    for (const auto& turn : what.turns)
      item["turns"].push_back(turn.view());
    arguments["items"].push_back(std::move(item));
    python_job job;
    job.operation = "score";
    job.arguments = shared_text{arguments.dump(-1, ' ', false, json::error_handler_t::replace)};
    job.folder = folder_;
    job.deadline = python_deadline;
    std::vector<scoring_job> out;
    out.emplace_back(std::move(job));
    return out;
  }

  result<std::vector<score_value>> read(const answer_to_score&,
                                        std::span<const scoring_reply> replies) const override {
    const auto& reply = replies.front();
    if (reply.error)
      return why_not(*reply.error);
    const auto* text = std::get_if<shared_text>(&reply.value);
    const auto made = json::parse(text ? text->view() : std::string_view{}, nullptr, false);
    const auto items = made.is_object() ? made.find("items") : made.end();
    if (!made.is_object() || items == made.end() || !items->is_array() || items->empty())
      return cannot_score("the Python host's answer has no items");
    return read_item(items->front());
  }

private:
  /// process_results wants the row too: such a task's target is {doc, target or targets}. Several right
  /// answers are a list.
  static void take_scored(json& item) {
    auto scored = json::parse(item["target"].get_ref<const std::string&>(), nullptr, false);
    if (!scored.is_structured())
      return;
    item.erase("target");
    if (scored.is_array())
      item["targets"] = std::move(scored);
    else
      item.update(scored);
  }

  /// The scorer of a metric behind a filter is called `metric,filter`.
  static std::string metric_of(const scorer_definition& definition) {
    const std::string name = scoring::name_of(definition);
    return name.substr(0, name.find(','));
  }

  result<std::vector<score_value>> read_item(const json& item) const {
    if (const auto error = item.find("error"); error != item.end() && error->is_object())
      return cannot_score(error->value("message", "the function " + function_ + " failed"),
                          error->value("hint", ""));
    const auto scores = item.find("scores");
    if (scores == item.end() || !scores->is_object() || scores->empty())
      return cannot_score("the function " + function_ + " gave no number");
    auto named = scores->find(call_ == scoring::python_call::scorer ? "score" : metric_);
    if (named == scores->end() && call_ == scoring::python_call::process_results)
      return cannot_score("the function " + function_ + " gave no number called " + metric_);
    const auto& value = named != scores->end() ? *named : scores->front();
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      return cannot_score("the function " + function_ + " gave no finite number");
    return std::vector{score_value{static_cast<uint8_t>(index_), value.get<double>(), {}}};
  }

  size_t index_;
  std::string function_;
  scoring::python_call call_;
  std::string metric_;
  std::string folder_;
};

// -- building ----------------------------------------------------------------------------------------------

result<uint16_t> place_of_judge(const run_spec& spec, const std::string& name) {
  const auto found = std::ranges::find(spec.judges, model_id{name}, &pinned_judge::model);
  if (found == spec.judges.end())
    return fault{errc::invalid_argument, "the run pins no judge '" + name + "'", "scorer.models",
                 "submit a new run"};
  return static_cast<uint16_t>(found - spec.judges.begin());
}

void add_code(size_t index, const scorer_definition& definition, std::vector<code_tests*>& groups,
              task_plan& plan) {
  auto group = std::ranges::find_if(groups, [&](const code_tests* one) { return one->fits(definition); });
  if (group == groups.end()) {
    auto made = std::make_unique<code_tests>(definition);
    groups.push_back(made.get());
    plan.outside.push_back(std::move(made));
    group = std::prev(groups.end());
  }
  (*group)->serve(index, definition.type);
}

result<void> add_judges(size_t index, const scorer_definition& definition, const run_spec& spec,
                        task_plan& plan) {
  std::vector<uint16_t> models;
  for (const auto& name : definition.models) {
    const auto place = place_of_judge(spec, name);
    if (!place)
      return place.error();
    models.push_back(*place);
  }
  if (models.empty())
    return fault{errc::invalid_argument, "the scorer '" + scoring::name_of(definition) + "' names no model",
                 "scorer.models", "name who judges"};
  if (scoring::need_of(definition) == scorer_need::embeddings)
    plan.outside.push_back(std::make_unique<embeddings>(index, definition, models.front()));
  else
    plan.outside.push_back(std::make_unique<judges>(index, definition, std::move(models)));
  return {};
}

result<void> add_python(size_t index, const tasks::task_definition& task, const scorer_definition& definition,
                        task_plan& plan) {
  if (definition.type != scoring::scorer_type::python)
    return fault{errc::unsupported,
                 "the filters of the scorer '" + scoring::name_of(definition)
                     + "' need Python, which is done for scorers of type python only",
                 "scorer.filters", "write the pattern within RE2, or score with a function"};
  plan.outside.push_back(std::make_unique<python_function>(index, definition, task.functions));
  return {};
}

} // namespace

result<void> make_scorers(const tasks::task_definition& task, const run_spec& spec, task_plan& plan) {
  std::vector<code_tests*> code;
  const auto& definitions = task.scorer_definitions;
  for (size_t i = 0; i < definitions.size(); ++i) {
    const auto need = scoring::need_of(definitions[i]);
    if (need == scorer_need::nothing) {
      auto scorer = scoring::make_scorer(definitions[i]);
      if (!scorer)
        return scorer.error();
      plan.scorers.push_back(std::move(*scorer));
      continue;
    }
    plan.scorers.push_back(nullptr);
    // Such a run asks no judge and pins none.
    if (spec.predict_only)
      continue;
    result<void> added{};
    if (need == scorer_need::sandbox)
      add_code(i, definitions[i], code, plan);
    else if (need == scorer_need::python)
      added = add_python(i, task, definitions[i], plan);
    else
      added = add_judges(i, definitions[i], spec, plan);
    if (!added)
      return added;
  }
  return {};
}

result<std::vector<model_id>> judges_of(const tasks::task_definition& task) {
  std::vector<model_id> out;
  for (const auto& definition : task.scorer_definitions) {
    const auto need = scoring::need_of(definition);
    if (need != scorer_need::judge && need != scorer_need::embeddings)
      continue;
    if (definition.models.empty())
      return fault{errc::invalid_argument,
                   "the scorer '" + scoring::name_of(definition) + "' of task '" + task.id.value
                       + "' names no model",
                   "scorer.models", "name who judges"};
    for (const auto& name : definition.models)
      if (std::ranges::find(out, model_id{name}) == out.end())
        out.emplace_back(name);
  }
  return out;
}

} // namespace assay
