#include "core/tasks/promptfoo/test_file.hpp"

#include "core/tasks/preparation.hpp"
#include "core/tasks/promptfoo/values.hpp"
#include "core/tasks/sample_source.hpp"
#include "core/tasks/task_catalogue.hpp"
#include "tests/tasks/tasks_support.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace assay::tasks {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* capitals = R"yaml(description: Capitals
prompts:
  - "What is the capital of {{country}}?"
  - {label: polite, raw: "Please: the capital of {{ country }}."}
providers:
  - openai:gpt-4o-mini
  - {id: "openai:chat:gpt-4o", config: {temperature: 0, organization: mine}}
defaultTest:
  vars: {language: English}
  assert:
    - {type: not-contains, value: sorry}
tests:
  - vars: {country: France}
    assert:
      - {type: contains, value: Paris}
      - {type: icontains, value: "{{language}}", weight: 0}
  - description: two at once
    vars: {country: [Italy, Spain]}
    threshold: 0.5
    assert: [{type: contains-any, value: [Rome, Madrid]}]
)yaml";

/// Test files of promptfoo.
class promptfoo_files : public folder_test {
protected:
  promptfoo::loaded_test_file read(const std::string& yaml) {
    write("capitals.yaml", yaml);
    return promptfoo::read_file(folder / "capitals.yaml", yaml, folder, {});
  }

  std::vector<std::string> mistakes(const std::string& yaml) {
    std::vector<std::string> out;
    for (const auto& one : read(yaml).faults)
      out.push_back(to_string(one));
    return out;
  }

  json row(const promptfoo::loaded_test_file& loaded, size_t index) {
    EXPECT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
    return index < loaded.file.rows.size() ? json::parse(loaded.file.rows[index]) : json();
  }
};

TEST_F(promptfoo_files, PromptsTestsAndDefaultsBecomeRows) {
  const auto loaded = read(capitals);
  ASSERT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
  EXPECT_EQ(loaded.file.id, "capitals");
  EXPECT_THAT(loaded.file.prompts, ElementsAre("prompt_1", "polite"));
  ASSERT_EQ(loaded.file.rows.size(), 3U) << "a list of values is a test for each";
  const auto first = row(loaded, 0);
  EXPECT_EQ(first["messages_1"],
            json::parse(R"([{"role":"user","content":"What is the capital of France?"}])"));
  EXPECT_EQ(first["messages_2"][0]["content"], "Please: the capital of France.");
  EXPECT_EQ(first["assert"]["assert"].size(), 3U);
  EXPECT_EQ(first["assert"]["assert"][0]["type"], "not-contains");
  EXPECT_EQ(first["assert"]["assert"][2]["value"], "English");
  EXPECT_FALSE(first["assert"].contains("threshold"));
  EXPECT_EQ(row(loaded, 2)["vars"]["country"], "Spain");
  EXPECT_EQ(row(loaded, 2)["assert"]["threshold"], 0.5);
  EXPECT_EQ(row(loaded, 2)["description"], "two at once");
  ASSERT_EQ(loaded.file.providers.size(), 2U);
  EXPECT_EQ(loaded.file.providers[1].id, "openai:chat:gpt-4o");
  EXPECT_EQ(loaded.file.providers[1].generation, R"({"temperature":0})");
  EXPECT_THAT(loaded.file.notes, ElementsAre(HasSubstr("organization")));
}

TEST_F(promptfoo_files, AFileIsATaskOnceItsRowsAreWritten) {
  write("capitals.yaml", capitals);
  auto all = load_task_folder(std::span(&folder, 1));
  ASSERT_TRUE(all.faults.empty()) << to_string(all.faults.front());
  const auto task = all.catalogue->find(task_id{"capitals"});
  ASSERT_NE(task, nullptr);
  EXPECT_TRUE(task->is_unprepared());
  EXPECT_TRUE(task->asks_all_prompts());
  EXPECT_EQ(inspect_data(*task).value().rows, 3U);
  preparation_options options;
  options.folder = (folder / "prepared").string();
  const auto plan = plan_preparation(task, options).value();
  EXPECT_FALSE(plan.needs_python);
  auto steps = begin_preparation(plan).value();
  EXPECT_FALSE(steps->next().value()) << "nobody has to be asked";
  EXPECT_TRUE(plan.is_done());
  auto made = load_prepared(plan).value();
  EXPECT_FALSE(made.is_unprepared());
  EXPECT_TRUE(made.asks_all_prompts());
  EXPECT_THAT(made.prompt_types(), ElementsAre("prompt_1", "polite"));
  EXPECT_THAT(made.scorer_names(), ElementsAre("score", "pass"));
  const auto shared = std::make_shared<const task_definition>(std::move(made));
  sample_options wanted;
  wanted.prompt_type = "polite";
  auto source = sample_source::open(shared, wanted).value();
  prepared_sample sample;
  ASSERT_TRUE(source.next(sample).value());
  ASSERT_FALSE(sample.problem) << to_string(*sample.problem);
  EXPECT_EQ(sample.messages.front().content.view(), "Please: the capital of France.");
  const auto target = sample.target.str();
  EXPECT_DOUBLE_EQ(shared->scorers[0]->score("It is Paris, in English", target).value, 1);
  EXPECT_DOUBLE_EQ(shared->scorers[0]->score("I am sorry: Paris", target).value, 0.5);
  EXPECT_DOUBLE_EQ(shared->scorers[1]->score("I am sorry: Paris", target).value, 0);
}

TEST_F(promptfoo_files, PromptsMayBeFilesAndConversations) {
  write("two.txt", "One {{a}}\nmore\n---\nTwo {{a}}\n");
  write("chat.json",
        R"([{"role":"system","content":"Be brief."},{"role":"user","content":"{{a}} & {{b.c[1]}}"}])");
  const auto loaded =
      read("prompts: [file://two.txt, chat.json]\nproviders: openai:x\n"
           "tests: [{vars: {a: 1, b: {c: [x, y]}}, options: {prefix: '> ', disableVarExpansion: true}}]\n");
  const auto first = row(loaded, 0);
  EXPECT_EQ(first["messages_1"][0]["content"], "> One 1\nmore");
  EXPECT_EQ(first["messages_2"][0]["content"], "> Two 1");
  EXPECT_EQ(first["messages_3"][0]["role"], "system");
  EXPECT_EQ(first["messages_3"][1]["content"], "> 1 & y");
}

TEST_F(promptfoo_files, TestsMayBeATable) {
  write("tests.csv", "q,__expected,__expected1,__description\n1+1,2,\"not-contains: three\",sum\n"
                     "2+2,levenshtein(2): four,,\n");
  const auto loaded = read("prompts: ['{{q}}']\nproviders: openai:x\ntests: file://tests.csv\n");
  ASSERT_EQ(loaded.file.rows.size(), 2U);
  const auto first = row(loaded, 0);
  EXPECT_EQ(first["assert"]["assert"],
            json::parse(R"([{"type":"equals","value":"2"},{"type":"not-contains","value":"three"}])"));
  EXPECT_EQ(first["description"], "sum");
  EXPECT_EQ(row(loaded, 1)["assert"]["assert"],
            json::parse(R"([{"type":"levenshtein","threshold":2.0,"value":"four"}])"));
}

TEST(promptfoo_values, ExpectationsAreTypesOrTexts) {
  using promptfoo::assertion_of;
  EXPECT_EQ(assertion_of("is-json").dump(), R"({"type":"is-json"})");
  EXPECT_EQ(assertion_of("Note: it is").dump(), R"({"type":"equals","value":"Note: it is"})");
  EXPECT_EQ(assertion_of("contains").dump(), R"({"type":"equals","value":"contains"})");
  EXPECT_EQ(assertion_of("contains-json: {\"type\":\"object\"}").dump(),
            R"({"type":"contains-json","value":{"type":"object"}})");
  EXPECT_EQ(assertion_of("grade: is it kind").dump(), R"({"type":"llm-rubric","value":"is it kind"})");
}

TEST_F(promptfoo_files, MistakesNameLineAndKey) {
  const std::string head = "prompts: ['{{q}}']\nproviders: openai:x\n";
  EXPECT_THAT(mistakes(head + "tests:\n  - vars: {q: 1}\n    assert: [{type: contians, value: a}]\n"),
              ElementsAre(HasSubstr("capitals.yaml:4: tests[0].assert[0].type")));
  EXPECT_THAT(mistakes(head
                       + "defaultTest: {assert: [{type: latency, threshold: 5}]}\ntests: [{vars: {q: 1}}, "
                         "{vars: {q: 2}}]\n"),
              ElementsAre(HasSubstr("defaultTest.assert[0].type")));
  EXPECT_THAT(mistakes(head + "tests: [{vars: {q: 1}, expected: 3}]\n"),
              ElementsAre(HasSubstr("tests[0].expected")));
  EXPECT_THAT(mistakes(head + "scenarios: []\ntests: [{vars: {q: 1}}]\n"),
              ElementsAre(HasSubstr("scenarios")));
  EXPECT_THAT(mistakes("prompts: ['{{ q | upper }}']\nproviders: x\ntests: [{vars: {q: 1}}]\n"),
              ElementsAre(HasSubstr("is no variable")));
  EXPECT_THAT(mistakes(head + "tests: file://../outside.csv\n"), ElementsAre(HasSubstr("lies outside")));
  EXPECT_THAT(mistakes("prompts: [file://make.py:run]\nproviders: x\ntests: [{vars: {q: 1}}]\n"),
              ::testing::Contains(HasSubstr("programs")));
  EXPECT_THAT(mistakes(head + "tests: [\n"), ElementsAre(HasSubstr("not valid YAML")));
}

TEST_F(promptfoo_files, AVariableWithoutAValueFailsItsTestAlone) {
  const auto loaded = read(
      "prompts: ['{{q}} {{missing}}']\nproviders: x\ntests: [{vars: {q: 1}}, {vars: {q: 2, missing: 3}}]\n");
  EXPECT_THAT(row(loaded, 0)["error"].get<std::string>(), HasSubstr("`missing` has no value"));
  EXPECT_EQ(row(loaded, 1)["messages_1"][0]["content"], "2 3");
}

TEST_F(promptfoo_files, TemplatesOfAssertionsAreReferredTo) {
  const auto loaded =
      read("prompts: ['{{q}}']\nproviders: x\nassertionTemplates: {kind: {type: not-contains, value: no}}\n"
           "tests: [{vars: {q: 1}, assert: [{$ref: '#/assertionTemplates/kind'}]}]\n");
  EXPECT_EQ(row(loaded, 0)["assert"]["assert"][0]["type"], "not-contains");
}

TEST(promptfoo_providers, AreNamedAsModels) {
  using promptfoo::model_name_of;
  EXPECT_EQ(model_name_of("openai:gpt-4o"), "openai/gpt-4o");
  EXPECT_EQ(model_name_of("openai:chat:gpt-4o"), "openai/gpt-4o");
  EXPECT_EQ(model_name_of("anthropic:messages:claude-3-5-haiku"), "anthropic/claude-3-5-haiku");
  EXPECT_EQ(model_name_of("google:gemini-2.0-flash"), "gemini/gemini-2.0-flash");
  EXPECT_EQ(model_name_of("ollama:chat:llama3:8b"), "ollama/llama3:8b");
  EXPECT_EQ(model_name_of("openrouter:meta/llama"), "openrouter/meta/llama");
  EXPECT_EQ(model_name_of("sim-strong"), "sim-strong");
  EXPECT_EQ(model_name_of("openai:embedding:x"), "");
  EXPECT_EQ(model_name_of("exec:./run.sh"), "");
}

TEST(promptfoo_files_are_told_apart, ByTheirOutermostKeys) {
  EXPECT_TRUE(promptfoo::is_promptfoo(capitals));
  EXPECT_FALSE(promptfoo::is_promptfoo("id: x\nprompts: {baseline: '{q}'}\ndataset: a.jsonl\ntests: 3\n"));
  EXPECT_FALSE(promptfoo::is_promptfoo("task: x\ndoc_to_text: q\n"));
}

} // namespace
} // namespace assay::tasks
