#include "core/tasks/task_definition.hpp"

#include <gtest/gtest.h>

#include <random>

namespace assay::tasks {
namespace {

constexpr std::string_view full = R"(id: gsm8k
name: GSM8K
category: single_turn
difficulty: medium
description: Grade-school maths problems
languages: [en]
tags: [math, reasoning]
task_type: reasoning
estimated_duration: 90
dataset: data/test.jsonl
prompts:
  baseline: "{question}\nGive the final number."
  cot: {system: "Think about {topic}.", user: "Q: {question}"}
  optimal: "{question}"
target: "{answer}"
scorers:
  - {type: numeric, target_pattern: '#### (.+)', weight: 2}
  - {type: contains, name: words, primary: false, targets: [a, b], mode: all}
generation: {temperature: 0, max_tokens: 256, stop: ["\n\n", END]}
fewshot: {dataset: train.csv, answer: "#### {answer}"}
contexts: {full_context: "Everything.", domain_context: "Shops."}
failed_samples: zero
)";

task_definition parsed(std::string_view yaml) {
  auto task = parse_task(yaml, "t.yaml", "/srv/tasks");
  EXPECT_TRUE(task.has_value()) << to_string(task.error());
  return task.has_value() ? std::move(*task) : task_definition{};
}

fault problem(std::string_view yaml) {
  auto task = parse_task(yaml, "t.yaml", "/srv/tasks");
  EXPECT_TRUE(task.has_error()) << yaml;
  return task.has_error() ? task.error() : fault{};
}

std::string minimal_with(std::string_view line) {
  return "id: a\ndataset: a.jsonl\nprompt: \"{q}\"\ntarget: \"{a}\"\nscorer: exact_match\n"
         + std::string(line) + "\n";
}

TEST(parse_task, ReadsEveryKey) {
  const task_definition task = parsed(full);
  EXPECT_EQ(task.id.value, "gsm8k");
  EXPECT_EQ(task.difficulty, "intermediate");
  EXPECT_EQ(task.tags, (std::vector<std::string>{"math", "reasoning"}));
  EXPECT_EQ(task.task_type, "reasoning");
  EXPECT_EQ(task.estimated_duration, 90U);
  EXPECT_EQ(task.dataset, "/srv/tasks/data/test.jsonl");
  EXPECT_EQ(task.prompt_types(), (std::vector<std::string>{"baseline", "cot", "optimal"}));
  EXPECT_EQ(task.find_prompt("cot")->system->source(), "Think about {topic}.");
  EXPECT_EQ(task.find_prompt("baseline")->user.source(), "{question}\nGive the final number.");
  EXPECT_FALSE(task.find_prompt("baseline")->system);
  EXPECT_EQ(task.find_prompt("none"), nullptr);
  EXPECT_EQ(task.scorer_names(), (std::vector<std::string>{"numeric", "words"}));
  EXPECT_EQ(task.scorer_definitions[0].target_pattern, "#### (.+)");
  EXPECT_EQ(task.scorer_weights()[0].weight, 2);
  EXPECT_FALSE(task.scorer_weights()[1].primary);
  EXPECT_TRUE(task.scorer_definitions[1].all);
  ASSERT_EQ(task.scorers.size(), 2U);
  EXPECT_EQ(task.scorers[0]->score("so 18", "#### 18").value, 1);
  EXPECT_EQ(task.generation.temperature, 0.0);
  EXPECT_EQ(task.generation.max_tokens, 256U);
  EXPECT_EQ(task.generation.stop, (std::vector<std::string>{"\n\n", "END"}));
  EXPECT_FALSE(task.generation.top_p);
  EXPECT_EQ(task.fewshot.dataset, "/srv/tasks/train.csv");
  EXPECT_EQ(task.fewshot.answer.source(), "#### {answer}");
  EXPECT_EQ(task.contexts.at("domain_context"), "Shops.");
  EXPECT_EQ(task.failed_samples, stats::failed_samples::zero);
}

TEST(parse_task, WithoutADatasetIsAMistakeOfTheFileAlsoWhenItIsNamedWithoutAFolder) {
  for (const std::string text : {"id: a\nname: A\n", "id: a\nscorer: exact_match\n"}) {
    const auto task = parse_task(text, "t.yaml", "");
    ASSERT_FALSE(task) << text;
    EXPECT_NE(to_string(task.error()).find("t.yaml:"), std::string::npos) << to_string(task.error());
  }
}

TEST(parse_task, NeedsOnlyFiveLines) {
  const task_definition task = parsed(minimal_with(""));
  EXPECT_EQ(task.name, "a");
  EXPECT_EQ(task.category, "single_turn");
  EXPECT_EQ(task.difficulty, "intermediate");
  EXPECT_EQ(task.prompt_types(), std::vector<std::string>{"baseline"});
  EXPECT_EQ(task.scorer_names(), std::vector<std::string>{"exact_match"});
  EXPECT_EQ(task.failed_samples, stats::failed_samples::exclude);
  EXPECT_EQ(task.fewshot.dataset, "/srv/tasks/a.jsonl");
  EXPECT_EQ(task.fewshot.answer.source(), "{a}");
}

TEST(parse_task, ReadsJsonToo) {
  EXPECT_EQ(
      parsed(
          R"({"id": "j", "dataset": "/d/a.csv", "prompt": "{q}", "target": "{a}", "scorer": {"type": "numeric"}})")
          .dataset,
      "/d/a.csv");
}

TEST(parse_task, NamesFileLineAndKeyOfAnUnknownKey) {
  const fault f = problem(minimal_with("promts: x"));
  EXPECT_EQ(f.code, errc::invalid_argument);
  EXPECT_EQ(f.where, "t.yaml:6: promts");
  EXPECT_EQ(f.message, "unknown key");
  EXPECT_EQ(f.hint, "did you mean 'prompts'?");
}

struct broken_line {
  const char* line;
  const char* where;
  const char* message;
};

class broken_tasks : public testing::TestWithParam<broken_line> {};

TEST_P(broken_tasks, AreRefusedWithTheReason) {
  const fault f = problem(minimal_with(GetParam().line));
  EXPECT_EQ(f.where, "t.yaml:6: " + std::string(GetParam().where)) << GetParam().line;
  EXPECT_NE(f.message.find(GetParam().message), std::string::npos) << f.message;
}

INSTANTIATE_TEST_SUITE_P(
    all, broken_tasks,
    testing::Values(broken_line{"id: b", "id", "second time"},
                    broken_line{"difficulty: tough", "difficulty", "`tough`"},
                    broken_line{"generation: {temperature: hot}", "generation.temperature",
                                "expected a number, 0 to 2, found `hot`"},
                    broken_line{"generation: {temperature: 3}", "generation.temperature", "0 to 2"},
                    broken_line{"generation: {max_tokens: 1.5}", "generation.max_tokens", "whole number"},
                    broken_line{"generation: {top_k: 3}", "generation.top_k", "unknown key"},
                    broken_line{"generation: [1]", "generation", "expected a mapping, found a list"},
                    broken_line{"generation: {do_sample: false, temperature: 1}", "generation.do_sample",
                                "contradicts"},
                    broken_line{"generation: {stop: {a: b}}", "generation.stop", "list of texts"},
                    broken_line{"languages: {a: 1}", "languages", "list"},
                    broken_line{"tags: [[a]]", "tags[0]", "expected a text, found a list"},
                    broken_line{"name: [a]", "name", "expected a text"},
                    broken_line{"estimated_duration: -1", "estimated_duration", "0"},
                    broken_line{"dataset_format: xml", "dataset_format", "`xml`"},
                    broken_line{"failed_samples: drop", "failed_samples", "`drop`"},
                    broken_line{"contexts: {half_context: x}", "contexts.half_context", "unknown key"},
                    broken_line{"fewshot: {dataset: a.txt}", "fewshot.dataset", "extension"},
                    broken_line{"fewshot: {answer: '{'}", "fewshot.answer", "{ without its }"},
                    broken_line{"category: ''", "category", "empty"}));

TEST(parse_task, PointsIntoTheMiddleOfAFile) {
  const std::string head = "id: a\ndataset: a.jsonl\ntarget: \"{a}\"\n";
  EXPECT_EQ(problem(head + "prompt: \"{q\"\nscorer: numeric\n").where, "t.yaml:4: prompt");
  EXPECT_EQ(problem(head + "prompts:\n  a: ok {q}\n  b: {user: '}'}\nscorer: numeric\n").where,
            "t.yaml:6: prompts.b.user");
  EXPECT_EQ(problem(head + "prompts: {a: {system: x}}\nscorer: numeric\n").where, "t.yaml:4: prompts.a.user");
  EXPECT_EQ(problem(head + "prompt: '{q}'\nscorers:\n  - numeric\n  - type: regex\n    pattern: '('\n").where,
            "t.yaml:8: scorers[1].pattern");
  const fault option = problem(head + "prompt: '{q}'\nscorer: {type: numeric, ignore_cas: true}\n");
  EXPECT_EQ(option.where, "t.yaml:5: scorer.ignore_cas");
  EXPECT_EQ(option.hint, "did you mean 'ignore_case'?");
  EXPECT_EQ(problem(head + "prompt: '{q}'\nscorer: numerik\n").hint, "did you mean 'numeric'?");
  EXPECT_NE(problem(head + "prompt: '{q}'\nscorers: [numeric, numeric]\n").message.find("two scorers"),
            std::string::npos);
  EXPECT_NE(
      problem(head + "prompt: '{q}'\nscorer: {type: numeric, weight: 0}\n").message.find("no scorer counts"),
      std::string::npos);
}

TEST(parse_task, RefusesTwoKeysForOneThing) {
  EXPECT_EQ(problem(minimal_with("prompts: {a: x}")).message, "both prompt and prompts are given");
  EXPECT_EQ(problem(minimal_with("scorers: [numeric]")).message, "both scorer and scorers are given");
}

TEST(parse_task, SaysWhatIsMissing) {
  EXPECT_EQ(problem("dataset: a.jsonl\n").message, "the task has no id");
  EXPECT_EQ(problem("id: 'a b'\n").where, "t.yaml:1: id");
  EXPECT_EQ(problem("id: a\nscorer: numeric\nprompt: '{q}'\ntarget: x\n").message, "the task has no dataset");
  EXPECT_EQ(problem("id: a\ndataset: a.csv\nprompt: '{q}'\ntarget: x\n").message, "the task has no scorer");
  EXPECT_EQ(problem("id: a\ndataset: a.csv\nscorer: numeric\ntarget: x\n").message, "the task has no prompt");
  EXPECT_EQ(problem("id: a\ndataset: a.csv\nscorer: numeric\nprompt: '{q}'\n").message,
            "the task has no target");
  EXPECT_EQ(problem("").message, "expected a mapping, found nothing");
  EXPECT_EQ(problem("- a\n").message, "expected a mapping, found a list");
}

TEST(parse_task, NeedsNoTargetWhenTheScorersHaveTheirOwn) {
  parsed("id: a\ndataset: a.csv\nprompt: '{q}'\nscorer: {type: contains, targets: [yes]}\n");
  parsed("id: a\ndataset: a.csv\nprompt: '{q}'\nscorer: {type: regex, pattern: '^[a-z]+$'}\n");
}

TEST(parse_task, WarnsOfJinjaBraces) {
  EXPECT_NE(problem("id: a\ndataset: a.csv\nprompt: 'Q: {{question}}'\ntarget: x\nscorer: numeric\n")
                .hint.find("single braces"),
            std::string::npos);
}

TEST(parse_task, NamesTheLineOfBrokenYaml) {
  const fault f = problem("id: a\nname: [x\nscorer: y\n");
  EXPECT_EQ(f.code, errc::malformed_input);
  EXPECT_EQ(f.where.find("t.yaml:"), 0U);
  EXPECT_EQ(problem(std::string(2'000'000, '#')).code, errc::too_large);
}

TEST(parse_task, AcceptsTheOtherNamesOfGenerationKeys) {
  const auto task = parsed(
      minimal_with("generation: {max_gen_toks: 64, until: [x], do_sample: false, seed: -5, top_p: 1e-1}"));
  EXPECT_EQ(task.generation.max_tokens, 64U);
  EXPECT_EQ(task.generation.temperature, 0.0);
  EXPECT_EQ(task.generation.stop, std::vector<std::string>{"x"});
  EXPECT_EQ(task.generation.seed, -5);
  EXPECT_EQ(task.generation.top_p, 0.1);
}

TEST(pinned_text, ReadsBackAsTheSameTaskFromAnyFolder) {
  for (const std::string& yaml : {std::string(full), minimal_with("tags: ['yes', '007', \"a: b\", '# c']")}) {
    const task_definition task = parsed(yaml);
    const auto again = parse_task(pinned_text(task), "pinned", "/elsewhere");
    ASSERT_TRUE(again.has_value()) << to_string(again.error()) << pinned_text(task);
    EXPECT_EQ(again->dataset, task.dataset);
    EXPECT_EQ(again->fewshot.dataset, task.fewshot.dataset);
    EXPECT_EQ(again->scorer_definitions, task.scorer_definitions);
    EXPECT_EQ(again->generation, task.generation);
    EXPECT_EQ(again->tags, task.tags);
    EXPECT_EQ(again->contexts, task.contexts);
    EXPECT_EQ(again->failed_samples, task.failed_samples);
    ASSERT_EQ(again->prompts.size(), task.prompts.size());
    for (size_t i = 0; i < task.prompts.size(); ++i) {
      EXPECT_EQ(again->prompts[i].name, task.prompts[i].name);
      EXPECT_EQ(again->prompts[i].user.source(), task.prompts[i].user.source());
    }
    EXPECT_EQ(pinned_text(*again), pinned_text(task));
  }
}

TEST(pinned_text, KeepsTextsWithOddCharacters) {
  const std::string yaml = "id: a\ndataset: a.jsonl\nprompt: \"{q}\\ttab \\\\ \\\"quote\\\" 北京 "
                           "\\u00e9\\n\\n  indented\\n\"\ntarget: '{a}'\nscorer: exact_match\n";
  const task_definition task = parsed(yaml);
  EXPECT_EQ(parsed(pinned_text(task)).prompts[0].user.source(), task.prompts[0].user.source());
}

TEST(to_summary, ShowsWhatListsNeed) {
  const task_summary summary = to_summary(parsed(full), 12);
  EXPECT_EQ(summary.id.value, "gsm8k");
  EXPECT_EQ(summary.difficulty, "intermediate");
  EXPECT_EQ(summary.sample_count, 12U);
  EXPECT_EQ(summary.prompt_types.size(), 3U);
}

TEST(parse_task, SurvivesFlippedBytes) {
  std::mt19937 random(5);
  for (int round = 0; round < 600; ++round) {
    std::string yaml(full);
    for (size_t i = 1 + random() % 4; i > 0; --i)
      yaml[random() % yaml.size()] =
          round % 2 == 0 ? static_cast<char>(random()) : "{}[]:,-'\"&*!|>%\n #"[random() % 19];
    const auto task = parse_task(yaml, "t.yaml", "/srv");
    if (task.has_error()) {
      ASSERT_EQ(task.error().where.find("t.yaml"), 0U) << to_string(task.error());
    } else {
      pinned_text(*task);
    }
  }
}

} // namespace
} // namespace assay::tasks
