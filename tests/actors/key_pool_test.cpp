#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

class key_pool_test : public farm_world {
protected:
  key_pool_test() {
    for (const std::string name : {"one", "two", "three"})
      keys.push_back(key(name));
  }

  static provider_key key(const std::string& name) {
    provider_key out;
    out.name = name;
    out.value = secret{"sk-" + name};
    out.fingerprint = "print of " + name;
    return out;
  }

  provider_state& the_state() {
    auto& supervisor = state_of<provider_supervisor_state>(handles().providers);
    return state_of<provider_state>(supervisor.children_by_id.at(test::the_provider).handle);
  }

  void everything_is_right() {
    wire.respond_to_key = [](const http_request&, const std::string&) {
      return std::optional{fake_wire::answer(0, "right")};
    };
  }

  /// The key answers so; the others answer right.
  void one_key_answers(const std::string& key, int status, const std::string& code,
                       http_headers headers = {}) {
    wire.respond_to_key = [=](const http_request&, const std::string& with) {
      return std::optional{with == key ? fake_wire::failure(0, status, headers, code)
                                       : fake_wire::answer(0, "right")};
    };
  }
};

TEST_F(key_pool_test, AllKeysServeOneModelAndEachHasItsOwnWindow) {
  cap = 4;
  start_farm();
  submit(40);
  EXPECT_EQ(wire.requests.size(), 12u) << "three windows of four";
  for (const auto* name : {"sk-one", "sk-two", "sk-three"})
    EXPECT_EQ(wire.sent_with(name), 4u) << name;
}

TEST_F(key_pool_test, WeightsShareTheWork) {
  keys.pop_back();
  keys[1].weight = 3;
  cap = 40;
  start_farm();
  submit(40);
  EXPECT_NEAR(static_cast<double>(wire.sent_with("sk-two")), 30, 3);
}

TEST_F(key_pool_test, AKeyThatIsTurnedAwayClosesAloneAndItsCallsGoToTheOthersAtOnce) {
  one_key_answers("sk-one", 429, "rate_limit_exceeded", {{"retry-after", "89"}});
  start_farm();
  const auto id = submit(60);
  advance(3s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 60u);
  EXPECT_LE(wire.sent_with("sk-one"), 8u) << "one window's worth, sent before the first refusal was seen";
  for (const auto& [address, sample] : store->samples[id])
    EXPECT_EQ(sample.error, std::nullopt);
}

TEST_F(key_pool_test, AKeyWithoutCreditIsTakenOutAtOnceAndTheRunGoesOn) {
  one_key_answers("sk-two", 429, "insufficient_quota");
  start_farm();
  const auto id = submit(100);
  advance(3s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 100u);
  EXPECT_TRUE(the_state().keys[1].out);
  const auto sent = wire.sent_with("sk-two");
  submit(100);
  advance(3s);
  EXPECT_EQ(wire.sent_with("sk-two"), sent) << "a key that is out gets nothing";
}

TEST_F(key_pool_test, AKeyThatIsOutIsTriedAgainWithOneCallAndComesBack) {
  one_key_answers("sk-two", 401, "invalid_api_key");
  start_farm();
  submit(50);
  advance(3s);
  ASSERT_TRUE(the_state().keys[1].out);
  const auto sent = wire.sent_with("sk-two");
  advance(5min, 1s);
  submit(50);
  advance(2s);
  EXPECT_EQ(wire.sent_with("sk-two"), sent + 1) << "one call tries it";
  everything_is_right();
  advance(5min, 1s);
  submit(50);
  advance(2s);
  EXPECT_FALSE(the_state().keys[1].out);
}

TEST_F(key_pool_test, AKeyWithoutCreditIsTriedAgainAfterPausesThatDouble) {
  one_key_answers("sk-two", 429, "insufficient_quota");
  start_farm();
  submit(50);
  advance(3s);
  ASSERT_TRUE(the_state().keys[1].out);
  auto sent = wire.sent_with("sk-two");
  const auto tried_after = [&](std::chrono::minutes pause) {
    advance(pause, 1s);
    submit(50);
    advance(2s);
    const auto before = std::exchange(sent, wire.sent_with("sk-two"));
    return sent - before;
  };
  EXPECT_EQ(tried_after(5min), 1u);
  EXPECT_EQ(tried_after(6min), 0u) << "ten minutes after the first try";
  EXPECT_EQ(tried_after(5min), 1u);
  everything_is_right();
  EXPECT_EQ(tried_after(15min), 0u);
  EXPECT_GE(tried_after(6min), 1u);
  EXPECT_FALSE(the_state().keys[1].out);
}

TEST_F(key_pool_test, TheMonitorKnowsWhichKeyIsOutAndWhatEachHasUsed) {
  one_key_answers("sk-two", 429, "insufficient_quota");
  start_farm();
  submit(100);
  advance(5s);
  const auto known = ask<keys_known>(handles().monitor, read_keys{});
  ASSERT_TRUE(known);
  ASSERT_EQ(known->providers.size(), 1u);
  const auto& keys_there = known->providers[0].keys;
  ASSERT_EQ(keys_there.size(), 3u);
  const auto& out = keys_there[1];
  EXPECT_EQ(out.name, "two");
  EXPECT_EQ(out.fingerprint, "print of two");
  ASSERT_TRUE(out.out);
  EXPECT_EQ(out.out->code, errc::quota_exhausted);
  EXPECT_TRUE(out.out_since);
  EXPECT_TRUE(out.next_try);
  EXPECT_GT(out.requests, 0u);
  EXPECT_EQ(out.tokens, 0u);
  EXPECT_FALSE(keys_there[0].out);
  EXPECT_EQ(keys_there[0].tokens + keys_there[2].tokens, 100u * 12);
  EXPECT_GT(keys_there[0].cost, money{});
  ASSERT_EQ(keys_there[0].models.size(), 1u);
  EXPECT_EQ(keys_there[0].models[0].model, test::the_model);
}

TEST_F(key_pool_test, WhatKeysHaveUsedTodaySurvivesARestartOfTheirProvider) {
  everything_is_right();
  start_farm();
  submit(30);
  advance(3s);
  kill(the_provider_actor());
  advance(3s);
  uint64_t tokens = 0;
  for (const auto& key : the_state().keys)
    tokens += key.used.tokens;
  EXPECT_EQ(tokens, 30u * 12);
}

TEST_F(key_pool_test, ReadingTheConfigurationAgainTriesAKeyWithoutCreditAtOnce) {
  one_key_answers("sk-two", 429, "insufficient_quota");
  start_farm();
  submit(50);
  advance(3s);
  ASSERT_TRUE(the_state().keys[1].out);
  everything_is_right();
  tell(handles().providers, keys_changed{});
  submit(50);
  advance(2s);
  EXPECT_FALSE(the_state().keys[1].out);
}

TEST_F(key_pool_test, WithEveryKeyOutARunFailsWithTheReason) {
  wire.respond_to_key = [](const http_request&, const std::string&) {
    return std::optional{fake_wire::failure(0, 401, {}, "invalid_api_key")};
  };
  start_farm();
  const auto id = submit(200);
  advance(3s);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(find(id).error->code, errc::credentials_rejected);
  EXPECT_LE(wire.bodies.size(), 24u) << "no more than were out when the keys were found bad";
}

TEST_F(key_pool_test, WithEveryKeyOutALaterRunFindsOutWithOneCallWhetherThatHasChanged) {
  wire.respond_to_key = [](const http_request&, const std::string&) {
    return std::optional{fake_wire::failure(0, 429, {}, "insufficient_quota")};
  };
  start_farm();
  submit(50);
  advance(10s);
  everything_is_right();
  const auto later = submit(50);
  advance(3s);
  EXPECT_EQ(find(later).state, run_state::completed);
}

TEST_F(key_pool_test, KeysBoundToPromptTypesServeOnlyThose) {
  keys[0].prompt_types = {"baseline"};
  keys[1].prompt_types = {"cot"};
  keys[2].prompt_types = {"optimal"};
  cap = 5;
  start_farm();
  auto wish = request(30);
  wish.prompt_types = {"baseline", "cot", "optimal"};
  const auto id = submit(wish);
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
  for (const auto* name : {"sk-one", "sk-two", "sk-three"})
    EXPECT_EQ(wire.sent_with(name), 30u) << name;
}

TEST_F(key_pool_test, APromptTypeWhoseKeyIsBusyDoesNotHoldUpTheOthers) {
  keys.pop_back();
  keys[0].prompt_types = {"baseline"};
  keys[1].prompt_types = {"cot"};
  cap = 2;
  start_farm();
  auto wish = request(3);
  wish.prompt_types = {"baseline", "cot"};
  submit(wish);
  EXPECT_EQ(wire.sent_with("sk-two"), 2u) << "cot goes out although baseline's window is full";
}

TEST_F(key_pool_test, WorkersPerPromptTypeCapEachTypeOverThePool) {
  workers_per_prompt_type = 5;
  cap = 100;
  start_farm();
  auto wish = request(30);
  wish.prompt_types = {"baseline", "cot"};
  submit(wish);
  EXPECT_EQ(wire.requests.size(), 10u);
}

TEST_F(key_pool_test, AKeyThatIsOutStaysOutAcrossARestartUntilOneCallProvesOtherwise) {
  one_key_answers("sk-two", 401, "invalid_api_key");
  start_farm();
  submit(50);
  advance(5s);
  ASSERT_TRUE(store->documents.contains("provider_state/test-provider"));
  const auto memory = store->documents.at("provider_state/test-provider");
  crash_farm();
  auto with = config();
  with.providers.recall = [memory] {
    return std::map<provider_id, std::string>{{test::the_provider, memory}};
  };
  const auto sent = wire.sent_with("sk-two");
  start_farm(with);
  EXPECT_TRUE(the_state().keys[1].out);
  wall += 1s; // Another run, not the same again.
  submit(50);
  advance(2s);
  EXPECT_EQ(wire.sent_with("sk-two"), sent + 1);
}

TEST_F(key_pool_test, ANewKeyUnderAnOldNameIsNotOut) {
  one_key_answers("sk-two", 401, "invalid_api_key");
  start_farm();
  submit(50);
  advance(5s);
  const auto memory = store->documents.at("provider_state/test-provider");
  crash_farm();
  keys[1].fingerprint = "print of the key that replaced it";
  auto with = config();
  with.providers.recall = [memory] {
    return std::map<provider_id, std::string>{{test::the_provider, memory}};
  };
  start_farm(with);
  EXPECT_FALSE(the_state().keys[1].out);
}

TEST_F(key_pool_test, NoKeyStandsInWhatTheFarmStores) {
  one_key_answers("sk-two", 401, "invalid_api_key");
  start_farm();
  submit(50);
  advance(5s);
  for (const auto& [where, text] : store->documents)
    EXPECT_THAT(text, testing::Not(testing::HasSubstr("sk-"))) << where;
}

TEST_F(key_pool_test, ANewcomerStartsWithinTwoSecondsBehindARateLimit) {
  keys.clear();
  limits.requests_per_minute = 600;
  cap = 1'000;
  everything_is_right();
  start_farm();
  submit(5'000);
  advance(10s, 50ms);
  const auto late = submit(3);
  advance(2s, 50ms);
  EXPECT_GE(scored(late), 1u);
}

TEST_F(key_pool_test, TheLimitsOfThreeKeysAddUp) {
  limits.requests_per_minute = 600;
  cap = 1'000;
  everything_is_right();
  start_farm();
  submit(50'000);
  advance(60s, 50ms);
  const auto before = wire.bodies.size();
  advance(60s, 50ms);
  const auto in_a_minute = static_cast<double>(wire.bodies.size() - before);
  EXPECT_GE(in_a_minute, 0.97 * 0.95 * 1'800) << "0.95 until headers have confirmed the limit";
  EXPECT_LE(in_a_minute, 1'800);
}

/// The pool while it changes under a farm that runs.
class changing_pool : public key_pool_test {
protected:
  void change_keys(std::vector<provider_key> next) {
    keys = std::move(next);
    tell(handles().providers, keys_changed{});
    run();
  }

  size_t present_keys() {
    return static_cast<size_t>(
        std::ranges::count_if(the_state().keys, [](const auto& one) { return !one.retired; }));
  }

  bool is_running(const std::string& name) {
    return std::ranges::any_of(the_state().keys,
                               [&](const auto& one) { return one.key.name == name && one.wire; });
  }
};

TEST_F(changing_pool, ANewKeyServesTheCallsThatWait) {
  cap = 4;
  keys.resize(1);
  start_farm();
  submit(40);
  ASSERT_EQ(wire.requests.size(), 4u);
  change_keys({key("one"), key("two")});
  advance(1s);
  EXPECT_EQ(wire.sent_with("sk-two"), 4u) << "a window, a limiter and a connection of its own";
  EXPECT_EQ(wire.sent_with("sk-one"), 4u);
}

TEST_F(changing_pool, AKeyThatIsGoneFinishesItsCallsAndGetsNoOthers) {
  cap = 4;
  start_farm();
  const auto id = submit(60);
  ASSERT_EQ(wire.sent_with("sk-two"), 4u);
  change_keys({key("one"), key("three")});
  advance(1s);
  EXPECT_TRUE(wire.cancelled.empty()) << "its calls are out and go on";
  EXPECT_TRUE(is_running("two"));
  for (int i = 0; i < 100 && wire.answer_next("right"); ++i)
    advance(20ms);
  advance(2s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 60u) << "no call is lost";
  EXPECT_EQ(wire.sent_with("sk-two"), 4u);
  EXPECT_FALSE(is_running("two"));
  EXPECT_EQ(present_keys(), 2u);
}

TEST_F(changing_pool, AnotherKeyUnderAnOldNameIsAnotherKey) {
  everything_is_right();
  keys.resize(1);
  start_farm();
  submit(10);
  advance(2s);
  auto fresh = key("one");
  fresh.value = secret{"sk-fresh"};
  fresh.fingerprint = "print of the fresh one";
  change_keys({fresh});
  submit(10);
  advance(2s);
  EXPECT_EQ(wire.sent_with("sk-one"), 10u);
  EXPECT_EQ(wire.sent_with("sk-fresh"), 10u);
}

TEST_F(changing_pool, AKeyThatWasOutNoLongerKeepsARunFromItsSuccessor) {
  one_key_answers("sk-one", 401, "invalid_api_key");
  keys.resize(1);
  start_farm();
  const auto failed = submit(10);
  advance(3s);
  ASSERT_EQ(find(failed).state, run_state::failed);
  change_keys({key("two")});
  const auto id = submit(10);
  advance(2s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(wire.sent_with("sk-two"), 10u);
}

TEST_F(changing_pool, ThePlaceOfAKeyThatIsGoneIsUsedAgain) {
  everything_is_right();
  start_farm();
  submit(30);
  advance(2s);
  for (int i = 0; i < 20; ++i) {
    change_keys({key("one"), key("key-" + std::to_string(i))});
    submit(20);
    advance(2s);
  }
  EXPECT_LE(the_state().keys.size(), 4u) << "the pool does not grow with each change";
  EXPECT_LE(the_state().family.size(), 8u) << "and connections and limiters of keys that are gone have ended";
  EXPECT_GT(wire.sent_with("sk-key-19"), 0u);
}

TEST_F(changing_pool, WithoutItsLastKeyAProviderIsAskedWithoutOne) {
  everything_is_right();
  keys.resize(1);
  start_farm();
  change_keys({});
  submit(10);
  advance(2s);
  EXPECT_EQ(wire.sent_with(""), 10u);
}

TEST_F(changing_pool, AProviderThatFallsStartsWithTheKeysOfNow) {
  everything_is_right();
  keys.resize(1);
  start_farm();
  change_keys({key("two")});
  kill(the_provider_actor());
  advance(2s);
  submit(10);
  advance(2s);
  EXPECT_EQ(wire.sent_with("sk-two"), 10u);
  kill(handles().providers);
  advance(3s);
  submit(10);
  advance(3s);
  EXPECT_EQ(wire.sent_with("sk-two"), 20u);
  EXPECT_EQ(wire.sent_with("sk-one"), 0u);
}

} // namespace
} // namespace assay
