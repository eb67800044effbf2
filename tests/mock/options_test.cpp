#include "mock/options.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace assay::mock {

TEST(latency, IsReadInAllItsForms) {
  using shape = latency_model::shape;
  using us = microseconds;
  EXPECT_EQ(parse_latency("50").value(), (latency_model{shape::fixed, us(50'000), us(0)}));
  EXPECT_EQ(parse_latency("fixed:0.5").value(), (latency_model{shape::fixed, us(500), us(0)}));
  EXPECT_EQ(parse_latency("uniform:10-90").value(), (latency_model{shape::uniform, us(10'000), us(90'000)}));
  EXPECT_EQ(parse_latency("lognormal:50,200").value(),
            (latency_model{shape::lognormal, us(50'000), us(200'000)}));
  EXPECT_EQ(parse_latency("exponential:20").value(), (latency_model{shape::exponential, us(20'000), us(0)}));
}

TEST(latency, RefusesWhatMeansNothing) {
  for (const auto* text : {"", "fast", "-1", "nan", "inf", "1e99", "uniform:10", "uniform:90-10",
                           "lognormal:200,50", "gamma:1,2", "50ms", "fixed:1,2", "uniform:1-2-3"})
    EXPECT_FALSE(parse_latency(text)) << text;
}

TEST(latency, FollowsItsDistribution) {
  const auto quantile = [](const char* text, double share) {
    const auto model = parse_latency(text).value();
    std::vector<double> drawn;
    for (int i = 0; i < 200; ++i)
      for (int k = 0; k < 200; ++k)
        drawn.push_back(static_cast<double>(draw_latency(model, (i + 0.5) / 200, (k + 0.5) / 200).count())
                        / 1000);
    std::sort(drawn.begin(), drawn.end());
    return drawn[static_cast<size_t>(share * static_cast<double>(drawn.size()))];
  };
  EXPECT_NEAR(quantile("fixed:50", 0.99), 50, 0.001);
  EXPECT_NEAR(quantile("uniform:10-90", 0.25), 30, 1);
  EXPECT_NEAR(quantile("lognormal:50,200", 0.5), 50, 1);
  EXPECT_NEAR(quantile("lognormal:50,200", 0.95), 200, 5);
  EXPECT_NEAR(quantile("exponential:20", 0.632), 20, 0.5);
}

TEST(fault_rules, AreReadWithTheirDefaults) {
  const auto rules = parse_fault_rules(R"([{"kind":"status","status":529,"every":3,"skip":1,"times":2},
    {"kind":"slow_drip","ms":5,"probability":0.25,"path":"/v1","model":"sim-weak"}])")
                         .value();
  ASSERT_EQ(rules.size(), 2);
  EXPECT_EQ(rules[0].status, 529);
  EXPECT_EQ(rules[0].every, 3);
  EXPECT_EQ(rules[0].path, "");
  EXPECT_FALSE(rules[0].ms);
  EXPECT_EQ(rules[1].kind, fault_kind::slow_drip);
  EXPECT_EQ(rules[1].ms, milliseconds(5));
  EXPECT_EQ(parse_fault_rules(R"({"faults":[{"kind":"reset"}]})").value().front().kind, fault_kind::reset);
}

TEST(fault_rules, NameThePlaceOfAMistake) {
  const auto where = [](std::string_view text) {
    const auto rules = parse_fault_rules(text);
    return rules ? std::string("accepted") : rules.error().where;
  };
  EXPECT_EQ(where(R"([{"kind":"reset"},{"kind":"explode"}])"), "faults[1].kind");
  EXPECT_EQ(where(R"([{"kind":"none"}])"), "faults[0].kind");
  EXPECT_EQ(where(R"([{"status":500}])"), "faults[0].kind");
  EXPECT_EQ(where(R"([{"kind":"status","status":"500"}])"), "faults[0].status");
  EXPECT_EQ(where(R"([{"kind":"status","status":5000}])"), "faults[0].status");
  EXPECT_EQ(where(R"([{"kind":"reset","probability":1.5}])"), "faults[0].probability");
  EXPECT_EQ(where(R"([{"kind":"reset","every":-1}])"), "faults[0].every");
  EXPECT_EQ(where(R"([{"kind":"reset","evry":2}])"), "faults[0].evry");
  EXPECT_EQ(where("[17]"), "faults[0]");
  EXPECT_EQ(where("{}"), "faults");
  EXPECT_EQ(where("not json"), "faults");
}

TEST(fault_rules, KnowEveryKindByItsName) {
  for (const auto kind : fault_kinds()) {
    const auto rules = parse_fault_rules(R"([{"kind":")" + std::string(to_string(kind)) + "\"}]");
    ASSERT_TRUE(rules) << to_string(kind);
    EXPECT_EQ(rules->front().kind, kind);
  }
  EXPECT_EQ(fault_kinds().size(), 25);
}

TEST(fault_rules, SayHowAWaitIsTold) {
  const auto hint = [](std::string_view text) {
    return parse_fault_rules(R"([{"kind":"rate_limit","retry_after":")" + std::string(text) + "\"}]");
  };
  EXPECT_EQ(hint("ms")->front().retry_after, retry_hint::ms);
  EXPECT_EQ(hint("date")->front().retry_after, retry_hint::date);
  EXPECT_EQ(hint("soon").error().where, "faults[0].retry_after");
}

TEST(limit_rules, AreReadAndChecked) {
  const auto rules = parse_limit_rules(R"({"limits":[{"key":"sk-test","model":"m","requests_per_minute":5,
    "input_tokens_per_minute":7,"burst":10,"per_model":true}]})")
                         .value();
  EXPECT_EQ(rules[0].key_hash, "f3abf2a6"); // printf sk-test | sha256sum
  EXPECT_EQ(rules[0].model, "m");
  EXPECT_EQ(rules[0].limits.requests_per_minute, 5);
  EXPECT_EQ(rules[0].limits.input_tokens_per_minute, 7);
  EXPECT_EQ(rules[0].limits.burst, seconds(10));
  EXPECT_TRUE(rules[0].limits.per_model);
  const auto where = [](std::string_view text) {
    const auto read = parse_limit_rules(text);
    return read ? std::string("accepted") : read.error().where;
  };
  EXPECT_EQ(where(R"([{"rpm":5}])"), "limits[0].rpm");
  EXPECT_EQ(where(R"([{"burst":61}])"), "limits[0].burst");
  EXPECT_EQ(where(R"([{"requests_per_minute":-1}])"), "limits[0].requests_per_minute");
  EXPECT_EQ(where("7"), "limits");
}

TEST(simulated_models, AreReadAndChecked) {
  const auto models =
      parse_models(R"([{"name":"slow","accuracy":0.7,"latency_factor":3,"tokens_per_second":40}])").value();
  EXPECT_EQ(models.front().name, "slow");
  EXPECT_EQ(models.front().tokens_per_second, 40);
  EXPECT_FALSE(parse_models(R"([{"accuracy":0.7}])"));
  EXPECT_FALSE(parse_models(R"([{"name":"x","accuracy":7}])"));
  EXPECT_FALSE(parse_models(R"([{"name":"x","refusal_rate":0.6,"format_error_rate":0.6}])"));
  EXPECT_FALSE(parse_models(R"([{"name":"x","speed":1}])"));
}

TEST(mock_options, AreValidatedAtTheStart) {
  EXPECT_FALSE(validate(options{}));
  options value;
  value.threads = 0;
  EXPECT_EQ(validate(value)->where, "threads");
  value = {};
  value.limits.burst = seconds(61);
  EXPECT_EQ(validate(value)->where, "limits.burst");
  value = {};
  value.models[1].accuracy = -1;
  EXPECT_EQ(validate(value)->where, "models[1]");
}

} // namespace assay::mock
