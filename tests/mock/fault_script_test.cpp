#include "mock/fault_script.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::mock {

namespace {

constexpr auto path = "/v1/chat/completions";

std::string strikes(fault_script& script, int calls, std::string_view model = "m") {
  std::string out;
  for (int i = 0; i < calls; ++i)
    out += script.pick({path, model, {}}).kind == fault_kind::none ? '.' : 'x';
  return out;
}

fault_script script_of(std::string_view rules, uint64_t seed = 1) {
  return fault_script(seed, parse_fault_rules(rules).value());
}

} // namespace

TEST(mock_faults, StrikeEachNthCallAfterTheSparedOnesUntilTheyRunOut) {
  auto every = script_of(R"([{"kind":"reset","every":3}])");
  EXPECT_EQ(strikes(every, 7), "..x..x.");
  auto skip = script_of(R"([{"kind":"reset","every":2,"skip":3,"times":2}])");
  EXPECT_EQ(strikes(skip, 11), "....x.x....");
  auto always = script_of(R"([{"kind":"reset","times":2}])");
  EXPECT_EQ(strikes(always, 4), "xx..");
}

TEST(mock_faults, StrikeWithTheirProbabilityTheSameWayForTheSameSeed) {
  const auto rules = R"([{"kind":"reset","probability":0.2}])";
  auto a = script_of(rules, 7);
  auto b = script_of(rules, 7);
  auto c = script_of(rules, 8);
  const auto first = strikes(a, 10'000);
  EXPECT_EQ(first, strikes(b, 10'000));
  EXPECT_NE(first, strikes(c, 10'000));
  EXPECT_NEAR(static_cast<double>(std::count(first.begin(), first.end(), 'x')), 2000, 150);
}

TEST(mock_faults, LookAtPathAndModel) {
  auto script = script_of(R"([{"kind":"reset","model":"bad"},{"kind":"close","path":"/v1/models"}])");
  EXPECT_EQ(script.pick({path, "good", {}}).kind, fault_kind::none);
  EXPECT_EQ(script.pick({path, "bad", {}}).kind, fault_kind::reset);
  EXPECT_EQ(script.pick({"/v1/models", "", {}, false}).kind, fault_kind::close);
}

TEST(mock_faults, LookAtTheKeyByItsNameOrItsHash) {
  auto script = script_of(R"([{"kind":"reset","key":"sk-test"},{"kind":"close","key":"0123abcd"}])");
  EXPECT_EQ(script.pick({path, "m", hash_of_key("sk-test")}).kind, fault_kind::reset);
  EXPECT_EQ(script.pick({path, "m", "0123abcd"}).kind, fault_kind::close);
  EXPECT_EQ(script.pick({path, "m", "other"}).kind, fault_kind::none);
  EXPECT_EQ(script.to_json().dump().find("sk-test"), std::string::npos);
}

TEST(mock_faults, StrikeTheCallsThatAreNumbered) {
  auto script = script_of(R"([{"kind":"reset","calls":[2,5]}])");
  EXPECT_EQ(strikes(script, 7), ".x..x..");
}

TEST(mock_faults, SpareWhatIsNoCallOfAModelUnlessAPathNamesIt) {
  auto any = script_of(R"([{"kind":"reset"}])");
  EXPECT_EQ(any.pick({"/v1/messages", "m", {}}).kind, fault_kind::reset);
  EXPECT_EQ(any.pick({"/v1/files", "", {}, false}).kind, fault_kind::none);
  EXPECT_EQ(any.pick({path, "m", {}, true, true}).kind, fault_kind::none);
  auto batch = script_of(R"([{"kind":"status","path":"batch:/v1"}])");
  EXPECT_EQ(batch.pick({path, "m", {}}).kind, fault_kind::none);
  EXPECT_EQ(batch.pick({path, "m", {}, true, true}).kind, fault_kind::status);
}

TEST(mock_faults, TheFirstRuleThatStrikesWinsAndCountsAreKept) {
  auto script = script_of(R"([{"kind":"reset","every":2},{"kind":"close"}])");
  EXPECT_EQ(script.pick({path, "m", {}}).kind, fault_kind::close);
  EXPECT_EQ(script.pick({path, "m", {}}).kind, fault_kind::reset);
  const auto shown = script.to_json();
  EXPECT_EQ(shown["faults"][0]["matched"], 2);
  EXPECT_EQ(shown["faults"][0]["struck"], 1);
  EXPECT_EQ(shown["faults"][1]["struck"], 1);
  script.replace({});
  EXPECT_EQ(script.pick({path, "m", {}}).kind, fault_kind::none);
}

} // namespace assay::mock
