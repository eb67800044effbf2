#include "mock/simulator.hpp"

#include "mock/hash.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

chat_request about(const std::string& text) {
  chat_request request;
  request.user_text = text;
  request.prompt_hash = hash_text(text);
  return request;
}

std::shared_ptr<const answer_book> book_of(int prompts, double bonus = 0) {
  auto book = std::make_shared<indexed_answer_book>();
  for (int i = 0; i < prompts; ++i)
    book->add("question " + std::to_string(i), "right", "wrong", bonus);
  book->seal();
  return book;
}

std::vector<std::string> answers(const simulator& sim, const std::string& name, int prompts) {
  const auto model = sim.find(name).value();
  std::vector<std::string> out;
  for (int i = 0; i < prompts; ++i)
    out.push_back(sim.answer(model, about("question " + std::to_string(i)), 0).text);
  return out;
}

double share_right(const simulator& sim, const std::string& name, int prompts = 20'000) {
  const auto all = answers(sim, name, prompts);
  return static_cast<double>(std::count(all.begin(), all.end(), "right")) / prompts;
}

} // namespace

TEST(simulated_models, AreRightAsOftenAsTheyClaim) {
  const simulator sim(1, built_in_models(), {}, book_of(20'000));
  EXPECT_NEAR(share_right(sim, "sim-strong"), 0.92, 0.01);
  EXPECT_NEAR(share_right(sim, "sim-weak"), 0.55, 0.015);
  EXPECT_NEAR(share_right(sim, "sim-flaky"), 0.8 * 0.92, 0.015); // 8 % are refusals and format errors.
  EXPECT_NEAR(share_right(sim, "sim-p07"), 0.07, 0.01);
  EXPECT_EQ(share_right(sim, "sim-p100"), 1.0);
  EXPECT_EQ(share_right(sim, "sim-p0"), 0.0);
}

TEST(simulated_models, GainFromAPromptThatHelps) {
  const simulator plain(1, built_in_models(), {}, book_of(20'000));
  const simulator better(1, built_in_models(), {}, book_of(20'000, 0.05));
  EXPECT_NEAR(share_right(better, "sim-weak") - share_right(plain, "sim-weak"), 0.05, 0.01);
}

TEST(simulated_models, AnswerTheSameForTheSameSeedOnly) {
  const simulator a(1, built_in_models(), {}, book_of(500));
  const simulator again(1, built_in_models(), {}, book_of(500));
  const simulator other(2, built_in_models(), {}, book_of(500));
  EXPECT_EQ(answers(a, "sim-weak", 500), answers(again, "sim-weak", 500));
  EXPECT_NE(answers(a, "sim-weak", 500), answers(other, "sim-weak", 500));
  EXPECT_NE(answers(a, "sim-p55", 500), answers(a, "sim-weak", 500));
}

TEST(simulated_models, AreFoundByNameOnly) {
  const simulator strict(1, built_in_models(), {}, nullptr);
  for (const auto* name : {"gpt-4o", "sim-p", "sim-p101", "sim-px", "sim-p5x", "sim-p-5", ""})
    EXPECT_FALSE(strict.find(name)) << name;
  const simulator lenient(1, built_in_models(), 0.5, nullptr);
  EXPECT_EQ(lenient.find("gpt-4o").value().accuracy, 0.5);
}

TEST(simulated_models, SayThatTheyDoNotKnowAPrompt) {
  const simulator sim(1, built_in_models(), {}, book_of(1));
  const auto choice = sim.answer(sim.find("sim-strong").value(), about("something else"), 0);
  EXPECT_TRUE(choice.text.starts_with("[simulated] sim-strong does not know this prompt"));
}

TEST(simulated_models, ObeyStopsAndTheTokenLimit) {
  auto book = std::make_shared<indexed_answer_book>();
  book->add("q", "one two three END four", "");
  book->seal();
  const simulator sim(1, {}, {}, book);
  const auto model = sim.find("sim-p100").value();
  auto request = about("q");
  request.stop = {"END"};
  EXPECT_EQ(sim.answer(model, request, 0).text, "one two three ");
  request.max_tokens = 2;
  const auto cut = sim.answer(model, request, 0);
  EXPECT_EQ(cut.text, "one two ");
  EXPECT_EQ(cut.end, choice_end::length);
  EXPECT_EQ(cut.tokens, 2);
}

TEST(simulated_models, FailTransientlyAndRecoverOnRepetition) {
  const simulator sim(1, built_in_models(), {}, nullptr);
  const auto flaky = sim.find("sim-flaky").value();
  int failed = 0;
  int failed_thrice = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto request = about(std::to_string(i));
    failed += sim.fails(flaky, request, 0) ? 1 : 0;
    failed_thrice +=
        sim.fails(flaky, request, 0) && sim.fails(flaky, request, 1) && sim.fails(flaky, request, 2) ? 1 : 0;
    EXPECT_FALSE(sim.fails(sim.find("sim-strong").value(), request, 0));
  }
  EXPECT_NEAR(failed, 1000, 120);
  EXPECT_LT(failed_thrice, 15);
}

TEST(answer_book, KeepsTheFirstOfEqualPromptsAndSharesAnswers) {
  indexed_answer_book book;
  const auto shared = book.store("yes", "no");
  book.add("a", shared);
  book.add("b", shared, 0.25);
  book.add("a", "later", "later");
  book.seal();
  EXPECT_EQ(book.size(), 2);
  EXPECT_EQ(book.find("a").value().right, "yes");
  EXPECT_EQ(book.find("b").value().wrong, "no");
  EXPECT_EQ(book.find("b").value().bonus, 0.25);
  EXPECT_FALSE(book.find("c"));
}

TEST(simulator, TellsOnceOfAPromptThatNoTaskHas) {
  std::vector<std::string> told;
  const simulator sim(1, built_in_models(), {}, book_of(2),
                      [&](std::string_view prompt) { told.emplace_back(prompt); });
  const auto model = sim.find("sim-strong").value();
  sim.answer(model, about("question 1"), 0);
  EXPECT_TRUE(told.empty());
  sim.answer(model, about("who are you?"), 0);
  sim.answer(model, about("and where?"), 0);
  EXPECT_EQ(told, std::vector<std::string>{"who are you?"});
}

} // namespace assay::mock
