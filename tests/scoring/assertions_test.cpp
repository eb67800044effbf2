#include "core/scoring/assertions.hpp"
#include "tests/scoring/scoring_support.hpp"

namespace assay::scoring {
namespace {

std::string list(const std::string& assertions, const std::string& more = {}) {
  return R"({"assert":[)" + assertions + "]" + more + "}";
}

assertion_verdict judged(const std::string& answer, const std::string& text) {
  auto out = judge_assertions(answer, text);
  if (out)
    return *out;
  ADD_FAILURE() << to_string(out.error());
  return {};
}

struct one_case {
  const char* assertion;
  const char* right;
  const char* wrong;
};

TEST(assertions, EveryTypeSaysYesAndNo) {
  const one_case cases[] = {
      {R"({"type":"equals","value":"Paris"})", "Paris", "Paris."},
      {R"({"type":"equals","value":42})", "42", "43"},
      {R"({"type":"equals","value":{"a":[1,2]}})", R"({ "a": [1, 2] })", R"({"a":[2,1]})"},
      {R"({"type":"contains","value":"Paris"})", "It is Paris.", "It is paris."},
      {R"({"type":"icontains","value":"PARIS"})", "It is paris.", "It is Lyon."},
      {R"({"type":"regex","value":"\\d{4}"})", "in 1889", "in 189"},
      {R"({"type":"starts-with","value":"Yes"})", "Yes, it is", " Yes"},
      {R"({"type":"contains-any","value":["red","blue"]})", "a blue one", "a Blue one"},
      {R"({"type":"contains-any","value":"red, blue"})", "a blue one", "a green one"},
      {R"({"type":"contains-all","value":["red","blue"]})", "blue and red", "blue"},
      {R"({"type":"icontains-any","value":["red","blue"]})", "a BLUE one", "a green one"},
      {R"({"type":"icontains-all","value":["red","blue"]})", "Blue and Red", "Blue"},
      {R"({"type":"is-json"})", R"({"a":1})", R"(It is {"a":1})"},
      {R"({"type":"is-json","value":{"required":["a"]}})", R"({"a":1})", R"({"b":1})"},
      {R"({"type":"contains-json"})", R"(It is {"a":1}.)", "It is a: 1."},
      {R"({"type":"levenshtein","value":"kitten"})", "sitting", "sitting on chairs"},
      {R"({"type":"levenshtein","value":"kitten","threshold":2})", "kittens", "sitting"},
      {R"({"type":"rouge-n","value":"the cat sat on the mat"})", "the cat sat on a mat", "dogs bark"},
      {R"({"type":"bleu","value":"the cat sat on the mat"})", "the cat sat on the mat", "dogs bark"},
      {R"({"type":"not-contains","value":"sorry"})", "Here it is", "I am sorry"},
      {R"({"type":"not-regex","value":"^I "})", "It is", "I am"},
  };
  for (const auto& one : cases) {
    EXPECT_TRUE(judged(one.right, list(one.assertion)).pass) << one.assertion;
    const auto no = judged(one.wrong, list(one.assertion));
    EXPECT_FALSE(no.pass) << one.assertion;
    EXPECT_LT(no.score, 1) << one.assertion;
    EXPECT_NE(no.reason.find("0 of 1 hold: not "), std::string::npos) << no.reason;
  }
}

TEST(assertions, TheScoreIsTheMeanByWeightsAndTheThresholdDecides) {
  const std::string two = R"({"type":"contains","value":"a","weight":3},{"type":"contains","value":"b"})";
  EXPECT_DOUBLE_EQ(judged("a", list(two)).score, 0.75);
  EXPECT_FALSE(judged("a", list(two)).pass) << "without a threshold all have to hold";
  EXPECT_TRUE(judged("a", list(two, R"(,"threshold":0.75)")).pass);
  EXPECT_FALSE(judged("b", list(two, R"(,"threshold":0.5)")).pass);
  EXPECT_TRUE(judged("x", list("")).pass) << "nothing was asserted";
  const auto told =
      judged("a", list(R"({"type":"contains","value":"a"},{"type":"contains","value":"b","weight":0})"));
  EXPECT_TRUE(told.pass) << "what weighs nothing is only told about";
  EXPECT_DOUBLE_EQ(told.score, 1);
}

TEST(assertions, ASetIsOneAssertion) {
  const auto set = list(R"({"type":"assert-set","threshold":0.5,"assert":[
      {"type":"contains","value":"a"},{"type":"contains","value":"b"}]},{"type":"contains","value":"c"})");
  EXPECT_TRUE(judged("a c", set).pass);
  EXPECT_DOUBLE_EQ(judged("a c", set).score, 0.75);
  EXPECT_FALSE(judged("c", set).pass);
}

TEST(assertions, MetricsAreMeansOfTheirOwn) {
  const auto said = judged("a", list(R"({"type":"contains","value":"a","metric":"tone"},
      {"type":"contains","value":"b","metric":"tone"},{"type":"contains","value":"a","metric":"facts"})"));
  ASSERT_EQ(said.metrics.size(), 2U);
  EXPECT_EQ(said.metrics[0].first, "tone");
  EXPECT_DOUBLE_EQ(said.metrics[0].second, 0.5);
  EXPECT_DOUBLE_EQ(said.metrics[1].second, 1);
}

TEST(assertions, MistakesNameTheirPlaceAndWhatIsKnown) {
  const auto wrong = [](const std::string& text) { return check_assertions(text).value(); };
  EXPECT_FALSE(check_assertions(list(R"({"type":"equals","value":""})")));
  EXPECT_EQ(wrong("[]").code, errc::invalid_argument);
  auto reason = wrong(list(R"({"type":"equals","value":1},{"type":"contians","value":"a"})"));
  EXPECT_EQ(reason.where, "assert[1].type");
  EXPECT_NE(reason.hint.find("contains-any"), std::string::npos);
  for (const char* type : {"latency", "cost", "llm-rubric", "javascript", "not-assert-set"})
    EXPECT_EQ(wrong(list(R"({"type":")" + std::string(type) + R"(","value":1})")).code, errc::unsupported)
        << type;
  EXPECT_EQ(wrong(list(R"~({"type":"regex","value":"(?=a)"})~")).where, "assert[0].value");
  EXPECT_EQ(wrong(list(R"({"type":"contains"})")).where, "assert[0].value");
  EXPECT_EQ(wrong(list(R"({"type":"contains","value":"a","weight":-1})")).where, "assert[0].weight");
  EXPECT_EQ(wrong(list(R"({"type":"is-json","value":{"type":7}})")).where, "assert[0].value");
}

TEST(assertions, TheScorerGivesTheScoreOrThePass) {
  auto d = of_type(scorer_type::assertions);
  const auto target = list(R"({"type":"contains","value":"a"},{"type":"contains","value":"b"})");
  EXPECT_DOUBLE_EQ(make_scorer(d).value()->score("<think>b</think>a", target).value, 0.5);
  d.variant = "pass";
  const auto pass = make_scorer(d).value();
  EXPECT_DOUBLE_EQ(pass->score("a", target).value, 0);
  EXPECT_DOUBLE_EQ(pass->score("a b", target).value, 1);
  EXPECT_EQ(pass->score("a", target).extracted, "1 of 2 hold: not contains b");
  EXPECT_EQ(pass->score("a", "no list").problem.value().code, errc::scorer_failed);
  EXPECT_DOUBLE_EQ(pass->score(pass->right_answer(target), target).value, 1);
  EXPECT_LT(pass->score(pass->wrong_answer(target, target, 3), target).value, 1);
  d.variant = "both";
  EXPECT_EQ(make_scorer(d).error().where, "variant");
}

} // namespace
} // namespace assay::scoring
