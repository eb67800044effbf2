#include "cli/parse.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::cli {
namespace {

using nlohmann::json;

json kwargs(std::string_view text) {
  json out;
  const auto wrong = parse_gen_kwargs(text, out);
  EXPECT_FALSE(wrong) << to_string(*wrong);
  return out;
}

TEST(split_list, DropsBlanksAndKeepsCommasInsideBracketsAndQuotes) {
  EXPECT_EQ(split_list("a, b ,,c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(split_list("x=[1,2],y=\"a,b\",z={\"k\":[1,2]}"),
            (std::vector<std::string>{"x=[1,2]", "y=\"a,b\"", "z={\"k\":[1,2]}"}));
  EXPECT_TRUE(split_list(" , ").empty());
}

TEST(gen_kwargs, ReadsWhatHarnessUsersWrite) {
  const auto out = kwargs("temperature=0.7,max_gen_toks=256,do_sample=True,top_p=1");
  EXPECT_EQ(out, json::parse(R"({"temperature":0.7,"max_gen_toks":256,"do_sample":true,"top_p":1})"));
  EXPECT_TRUE(out["max_gen_toks"].is_number_integer());
}

TEST(gen_kwargs, ReadsStopTextsAsTextsWithEscapes) {
  EXPECT_EQ(kwargs("until=\\n\\n")["until"], "\n\n");
  EXPECT_EQ(kwargs("until=42")["until"], "42");
  EXPECT_EQ(kwargs("until=a,until=b")["until"], json::parse(R"(["a","b"])"));
  EXPECT_EQ(kwargs(R"(until=["a,b","c"])")["until"], json::parse(R"(["a,b","c"])"));
  EXPECT_EQ(kwargs("stop=a=b")["stop"], "a=b");
}

TEST(gen_kwargs, ReadsAJsonObjectToo) { EXPECT_EQ(kwargs(R"({"temperature": 0})")["temperature"], 0); }

TEST(gen_kwargs, GivesAnExampleOfItsOwnForBadJson) {
  nlohmann::json out;
  EXPECT_NE(parse_gen_kwargs("{bad", out)->hint.find("temperature"), std::string::npos);
  EXPECT_EQ(parse_json_object("{bad", "--metadata", out)->hint.find("temperature"), std::string::npos);
}

TEST(gen_kwargs, RefusesWhatIsNoNameAndValue) {
  json out;
  for (const char* text : {"temperature", "=1", "a=1,b", "{\"a\":", "[1]", "{1}"}) {
    const auto wrong = parse_gen_kwargs(text, out);
    ASSERT_TRUE(wrong) << text;
    EXPECT_EQ(wrong->code, errc::invalid_argument) << text;
    EXPECT_NE(wrong->where.find("--gen_kwargs"), std::string::npos) << text;
  }
}

TEST(duration, ReadsUnitsAndSums) {
  EXPECT_EQ(parse_duration("90").value(), seconds{90});
  EXPECT_EQ(parse_duration("250ms").value(), milliseconds{250});
  EXPECT_EQ(parse_duration("1.5h").value(), std::chrono::minutes{90});
  EXPECT_EQ(parse_duration("1h30m").value(), std::chrono::minutes{90});
  EXPECT_EQ(parse_duration("30d").value(), std::chrono::hours{720});
}

TEST(duration, RefusesEverythingElse) {
  for (const char* text :
       {"", "s", "10x", "-5", "1e3s", "ten", "5 minutes", "1h-2m", "nan", "99999999999999999d"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(latency, IsTurnedIntoPlainMilliseconds) {
  EXPECT_EQ(latency_in_milliseconds("fixed:50ms").value(), "fixed:50");
  EXPECT_EQ(latency_in_milliseconds("fixed:50").value(), "fixed:50");
  EXPECT_EQ(latency_in_milliseconds("50").value(), "50");
  EXPECT_EQ(latency_in_milliseconds("uniform:10ms-90ms").value(), "uniform:10-90");
  EXPECT_EQ(latency_in_milliseconds("lognormal:60ms,0.2s").value(), "lognormal:60,200");
  EXPECT_EQ(latency_in_milliseconds("exponential:500us").value(), "exponential:0.5");
}

TEST(latency, RefusesTextsWithoutATime) {
  for (const char* text : {"", "fixed:", "fixed:ms", "uniform:10ms-", "fixed:50 parsecs"})
    EXPECT_FALSE(latency_in_milliseconds(text)) << text;
}

TEST(fault_rules, AreWrittenAsAKindWithValues) {
  EXPECT_EQ(json::parse(fault_rules_json("status:status=503,every=10").value()),
            json::parse(R"([{"kind":"status","status":503,"every":10}])"));
  EXPECT_EQ(json::parse(fault_rules_json("reset:probability=0.01,model=sim-weak").value()),
            json::parse(R"([{"kind":"reset","probability":0.01,"model":"sim-weak"}])"));
  EXPECT_EQ(json::parse(fault_rules_json("close").value()), json::parse(R"([{"kind":"close"}])"));
  EXPECT_EQ(json::parse(fault_rules_json(R"({"kind":"close"})").value()),
            json::parse(R"([{"kind":"close"}])"));
  EXPECT_FALSE(fault_rules_json("status:503"));
}

TEST(simulated_model, IsANameWithAnAccuracy) {
  const auto model = parse_simulated_model("my=model=0.5").value();
  EXPECT_EQ(model.first, "my=model");
  EXPECT_DOUBLE_EQ(model.second, 0.5);
  for (const char* text : {"", "x", "x=", "=0.5", "x=1.5", "x=-1", "x=many"})
    EXPECT_FALSE(parse_simulated_model(text)) << text;
}

TEST(sample_name, IsTaskVariantRowAndPerhapsEpoch) {
  const auto name = parse_sample_name("date_reasoning:cot:17:2").value();
  EXPECT_EQ(name.task, "date_reasoning");
  EXPECT_EQ(name.variant, "cot");
  EXPECT_EQ(name.row, 17U);
  EXPECT_EQ(name.epoch, 2U);
  EXPECT_EQ(parse_sample_name("0:0:5").value().epoch, 0U);
  for (const char* text : {"", "a", "a:b", "a:b:c", "a:b:1:c", "a:b:1:2:3", "a:b:-1", ":b:1"})
    EXPECT_FALSE(parse_sample_name(text)) << text;
}

} // namespace
} // namespace assay::cli
