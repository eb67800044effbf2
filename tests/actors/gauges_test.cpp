#include "tests/actors/farm_world.hpp"

#include "core/values/metrics.hpp"

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

connection_actor::behavior_type deaf_connection(connection_actor::pointer self) {
  return {
      [](const exchange_batch&) {},
      [](const exchanges_given_up&) {},
      [](const deltas_taken&) {},
      // A promise that nobody keeps.
      [self](const read_gauges&) -> caf::result<gauges> { return self->make_response_promise<gauges>(); },
      [](const probe_connection&) {},
      [](const io_completed&) {},
      [](const tick&) {},
  };
}

class gauges_test : public farm_world {
protected:
  static std::optional<double> value(const gauges& heard, metric id, const std::vector<std::string>& labels) {
    for (const auto& one : heard.values)
      if (one.family == id && one.labels == labels)
        return one.value;
    return std::nullopt;
  }

  gauges read() {
    auto heard = ask<gauges>(handles().providers, read_gauges{});
    EXPECT_TRUE(heard.has_value()) << (heard ? "" : to_string(heard.error()));
    return heard ? *heard : gauges{};
  }

  provider_state& the_provider_state() {
    auto& supervisor = state_of<provider_supervisor_state>(handles().providers);
    return state_of<provider_state>(supervisor.children_by_id.at(test::the_provider).handle);
  }

  const std::string provider_ = test::the_provider.value;
  const std::string model_ = test::the_model.value;
  const std::string key_; ///< The only one has no name.
};

TEST_F(gauges_test, TellWhatEachProviderLimiterAndConnectionDo) {
  cap = 4;
  limits.requests_per_minute = 600;
  limits.tokens_per_minute = 90'000;
  start_farm();
  submit(20);
  const auto heard = read();
  EXPECT_TRUE(heard.silent.empty());
  EXPECT_EQ(value(heard, metric::providers_alive, {}), 1);
  EXPECT_EQ(value(heard, metric::provider_window_calls, {provider_, model_}), 4);
  EXPECT_EQ(value(heard, metric::provider_in_flight_calls, {provider_, model_}), 4);
  EXPECT_EQ(value(heard, metric::provider_waiting_calls, {provider_, model_}), 16);
  EXPECT_EQ(value(heard, metric::provider_breaker_state, {provider_, model_, "closed"}), 1);
  EXPECT_EQ(value(heard, metric::provider_breaker_state, {provider_, model_, "open"}), 0);
  EXPECT_EQ(value(heard, metric::connection_sockets_open, {provider_, key_}), 4);
  EXPECT_EQ(value(heard, metric::connection_requests_total, {provider_, key_}), 4);
  EXPECT_EQ(value(heard, metric::limiter_limit, {provider_, model_, key_, "requests_per_minute"}), 600);
  EXPECT_EQ(value(heard, metric::limiter_limit, {provider_, model_, key_, "tokens_per_minute"}), 90'000);
  EXPECT_EQ(value(heard, metric::limiter_waiting_calls, {provider_, model_, key_}), 0);
}

TEST_F(gauges_test, CountAnswersRetriesAndFailuresByModel) {
  int number = 0;
  wire.respond = [&](const http_request&) {
    ++number;
    return std::optional{number == 1   ? fake_wire::failure(0, 503)
                         : number == 2 ? fake_wire::failure(0, 400)
                                       : fake_wire::answer(0, "right")};
  };
  start_farm();
  submit(5);
  advance(1min, 50ms);
  const auto heard = read();
  EXPECT_EQ(value(heard, metric::provider_calls_answered_total, {provider_, model_}), 4);
  EXPECT_EQ(value(heard, metric::provider_calls_retried_total, {provider_, model_}), 1);
  EXPECT_EQ(value(heard, metric::provider_calls_failed_total, {provider_, model_}), 1);
  EXPECT_EQ(value(heard, metric::connection_answers_total, {provider_, key_}), 6);
}

TEST_F(gauges_test, ShowForHowLongAKeyIsClosed) {
  cap = 1;
  start_farm();
  submit(3);
  wire.deliver(
      fake_wire::failure(wire.requests.front().id, 429, {{"retry-after", "60"}}, "rate_limit_exceeded"));
  run();
  advance(20s, 100ms);
  const auto closed = value(read(), metric::limiter_closed_seconds, {provider_, model_, key_});
  ASSERT_TRUE(closed.has_value());
  EXPECT_NEAR(*closed, 40, 1);
}

TEST_F(gauges_test, LeaveOutAndCountAChildThatDoesNotAnswer) {
  start_farm();
  submit(1);
  the_provider_state().keys.front().wire = spawn(deaf_connection);
  auto pending = self->request(handles().providers, caf::infinite, read_gauges{1s});
  run();
  EXPECT_TRUE(self->mailbox().empty()) << "the deaf one still has time";
  advance(1s);
  ASSERT_FALSE(self->mailbox().empty()) << "nobody waits longer than was said";
  pending.receive(
      [&](gauges& heard) {
        EXPECT_EQ(heard.silent, (std::map<std::string, uint32_t>{{"connection", 1}}));
        EXPECT_TRUE(value(heard, metric::limiter_waiting_calls, {provider_, model_, key_}));
        EXPECT_FALSE(value(heard, metric::connection_sockets_open, {provider_, key_}));
      },
      [](const caf::error& reason) { FAIL() << to_string(reason); });
}

TEST_F(gauges_test, CountAChildThatIsBeingRestartedAsSilent) {
  start_farm();
  submit(1);
  kill(the_provider_state().keys.front().wire);
  EXPECT_EQ(read().silent, (std::map<std::string, uint32_t>{{"connection", 1}}));
}

} // namespace
} // namespace assay
