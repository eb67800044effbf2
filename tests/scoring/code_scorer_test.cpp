#include "core/scoring/code_scorer.hpp"

#include "tests/scoring/scoring_support.hpp"

namespace assay::scoring {
namespace {

TEST(find_code, TakesTheLastBlockOfTheLanguage) {
  const std::string answer = "First:\n```python\na = 1\n```\nthen\n```py\nb = 2\n```\nand\n```\nplain\n```\n";
  EXPECT_EQ(find_code(answer, "python"), "b = 2\n");
  EXPECT_EQ(find_code(answer, "sql"), "plain\n") << "else the last block";
  EXPECT_EQ(find_code("x = 1", "python"), "x = 1") << "else the whole answer";
  EXPECT_EQ(find_code(answer, "text"), answer);
  EXPECT_EQ(find_code("```python\ncut off", "python"), "cut off");
  EXPECT_EQ(find_code("````python\n```\ninside\n```\n````", "python"), "```\ninside\n```\n");
  EXPECT_EQ(find_code("```C++ title\nint x;\n```", "cpp"), "int x;\n");
  EXPECT_EQ(find_code("```python", "python"), "");
}

TEST(code_job, HasTheFilesThatTheHarnessReads) {
  auto d = of_type(scorer_type::code);
  d.wall_ms = 1'500;
  const std::vector<std::string> turns{"one", "two"};
  const auto job = make_code_job(d, {"```python\na = 1\n```", "def test_a(): pass", turns, "token7"}, 9);
  EXPECT_EQ(job.id, 9U);
  EXPECT_EQ(job.command, (std::vector<std::string>{"python3", "harness.py", "token7"}));
  EXPECT_EQ(job.limits.wall, milliseconds(1'500));
  ASSERT_EQ(job.files.size(), 5U);
  EXPECT_NE(job.files[0].content.view().find("assay_harness"), std::string_view::npos);
  EXPECT_EQ(job.files[3].name, "code.txt");
  EXPECT_EQ(job.files[3].content.view(), "a = 1\n");
  EXPECT_EQ(job.files[4].content.view(), R"(["one","two"])");
}

sandbox_result printed(std::string_view text) {
  sandbox_result result;
  result.out = shared_text(text);
  return result;
}

TEST(code_verdict, IsReadFromTheLastLineWithTheToken) {
  const auto verdict = read_code_verdict(
      printed("noise\ntok {\"passed\": 9, \"total\": 9, \"failed\": []}\n"
              "tok {\"passed\": 1, \"total\": 3, \"failed\": [\"test_b: no\", \"test_c: ValueError\"]}\n"),
      "tok");
  EXPECT_EQ(verdict.passed, 1U);
  EXPECT_EQ(verdict.total, 3U);
  EXPECT_EQ(verdict.report, "test_b: no\ntest_c: ValueError");
  EXPECT_EQ(code_outcome(scorer_type::code, verdict).value, 0);
  EXPECT_DOUBLE_EQ(code_outcome(scorer_type::completeness, verdict).value, 1.0 / 3);
  const auto all = read_code_verdict(printed("\ntok {\"passed\": 2, \"total\": 2, \"failed\": []}"), "tok");
  EXPECT_EQ(code_outcome(scorer_type::code, all).value, 1);
  EXPECT_EQ(code_outcome(scorer_type::code, all).extracted, "2 of 2 tests");
}

TEST(code_verdict, BlamesTheAnswerWhenTheProgramEndedWithoutOne) {
  auto result = printed("other {\"passed\": 1, \"total\": 1}\n");
  result.end = sandbox_end::wall_limit;
  const auto verdict = read_code_verdict(result, "tok");
  EXPECT_FALSE(verdict.problem);
  EXPECT_EQ(code_outcome(scorer_type::code, verdict).value, 0);
  EXPECT_NE(verdict.report.find("no verdict"), std::string::npos);
}

TEST(code_verdict, IsAProblemWhenTheSandboxOrTheTestsAreToBlame) {
  sandbox_result none;
  none.error = fault{errc::unsupported, "no sandbox here", "sandbox", {}};
  EXPECT_EQ(code_outcome(scorer_type::code, read_code_verdict(none, "tok")).problem->code, errc::unsupported);
  const auto broken = read_code_verdict(printed("\ntok {\"error\": \"tests.py: SyntaxError\"}\n"), "tok");
  EXPECT_EQ(code_outcome(scorer_type::code, broken).problem->code, errc::scorer_failed);
}

TEST(code_verdict, SurvivesAnyLine) {
  for (const char* text :
       {"tok", "\ntok ", "\ntok [1]", "\ntok {\"passed\": -1, \"total\": \"x\", \"failed\": [1]}",
        "\ntok {\"passed\": 5, \"total\": 2}", "\ntok {\"total\": 1e99}", "\ntok \xff\xfe"}) {
    const auto outcome = code_outcome(scorer_type::completeness, read_code_verdict(printed(text), "tok"));
    EXPECT_GE(outcome.value, 0);
    EXPECT_LE(outcome.value, 1);
  }
}

TEST(code_quality, MeasuresWhatIsDocumented) {
  const auto good =
      measure_code("def add(first, second):\n    # Adds.\n    return first + second\n", "python");
  EXPECT_DOUBLE_EQ(good.total, 1);
  std::string deep = "def f():\n";
  for (size_t i = 1; i < 10; ++i)
    deep += std::string(4 * i, ' ') + "if x:\n";
  deep += std::string(40, ' ') + "pass\n";
  EXPECT_EQ(measure_code(deep, "python").nesting, 0);
  const auto names = measure_code("def BadName():\n    X9 = 1\n    good_name = 2\n", "python");
  EXPECT_NEAR(names.naming, 2.0 / 3, 1e-9) << "X9 is a constant";
  EXPECT_LT(measure_code("x = '" + std::string(150, 'a') + "'\n", "python").line_length, 1);
  std::string long_function = "def f():\n";
  for (int i = 0; i < 200; ++i)
    long_function += "    value = 1\n";
  EXPECT_EQ(measure_code(long_function, "python").function_length, 0);
  EXPECT_EQ(measure_code(long_function, "python").comments, 0);
  EXPECT_EQ(measure_code("", "python").total, 0);
  EXPECT_EQ(measure_code("function a() { if (x) { return '}'; } }", "javascript").nesting, 1);
}

TEST(code_quality, IsAScorerThatNeedsNothing) {
  auto d = of_type(scorer_type::code_quality);
  EXPECT_EQ(need_of(d), scorer_need::nothing);
  EXPECT_DOUBLE_EQ(judged(d, "```python\ndef add(a, b):\n    return a + b\n```", "def test_a(): pass"), 1);
  d.language = "text";
  EXPECT_TRUE(make_scorer(d).has_error());
}

TEST(outside_scorers, SayWhatTheyNeed) {
  auto d = of_type(scorer_type::code);
  EXPECT_EQ(make_scorer(d).value()->needs(), scorer_need::sandbox);
  EXPECT_NE(make_scorer(d).value()->score("a", "b").problem->message.find("the sandbox"), std::string::npos);
  d.language = "cobol";
  EXPECT_EQ(make_scorer(d).error().where, "language");
  EXPECT_EQ(make_scorer(of_type(scorer_type::judge)).error().where, "rubric");
  EXPECT_EQ(make_scorer(of_type(scorer_type::python)).error().where, "function");
  EXPECT_EQ(make_scorer(of_type(scorer_type::similarity)).value()->needs(), scorer_need::embeddings);
  EXPECT_EQ(make_scorer(of_type(scorer_type::pairwise)).value()->needs(), scorer_need::judge);
}

} // namespace
} // namespace assay::scoring
