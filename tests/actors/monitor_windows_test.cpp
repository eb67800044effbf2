#include "actors/monitoring/event_hub.hpp"
#include "actors/monitoring/monitor.hpp"
#include "core/monitoring/bucket_key.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_farm.hpp"
#include "tests/support/listener.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

namespace assay {
namespace {

using namespace std::chrono_literals;
using monitoring::alert_state;
using monitoring::monitor_view;
using monitoring::window_span;
using nlohmann::json;
using test::fake_store;
using test::inline_executor;
using test::listener;
using test::listener_state;

constexpr wall_time noon{seconds{1'704'110'400}};

/// A monitor with a journal over a store in memory, an event hub, and a clock of its own.
class monitor_windows_test : public test::actor_test {
protected:
  std::shared_ptr<fake_store> store = std::make_shared<fake_store>();
  std::shared_ptr<inline_executor> workers = std::make_shared<inline_executor>();
  test::fake_wire wire;
  wall_time wall = noon;
  monitor_config with;
  monitor_actor watching;
  journal_actor book;
  event_hub_actor hub;

  monitor_windows_test() {
    with.wall = [this] { return wall; };
    with.workers = workers;
    with.read.recall = [this](wall_time since, const auto& part) { recall(since, part); };
    with.read.find_expired = [this](wall_time before, size_t limit) { return find_expired(before, limit); };
  }

  /// As statistics_store.cpp reads the real store.
  void recall(wall_time since, const std::function<void(statistics_recalled&&)>& part) {
    statistics_recalled out;
    for (const bool quarters : {true, false})
      for (const auto& [place, text] : store->documents) {
        const std::string table = "call_stats/" + std::string(monitoring::key_prefix(quarters));
        const auto key = place.substr(place.find('/') + 1);
        if (place.starts_with(table) && (!quarters || key >= monitoring::key_from(true, since)))
          out.buckets.emplace_back(key, text);
      }
    for (const auto& [place, text] : store->documents)
      if (place.starts_with("alerts/"))
        out.alerts.push_back(text);
    if (const auto found = store->documents.find("settings/monitor.thresholds");
        found != store->documents.end())
      out.thresholds = found->second;
    out.last = true;
    part(std::move(out));
  }

  result<std::vector<std::string>> find_expired(wall_time before, size_t limit) {
    std::vector<std::string> out;
    for (const auto& [place, text] : store->documents)
      if (place.starts_with("call_stats/q/") && place.substr(11) < monitoring::key_from(true, before)
          && out.size() < limit)
        out.push_back(place.substr(11));
    return out;
  }

  void start() {
    hub = spawn(event_hub, event_hub_config{});
    journal_config keeping;
    keeping.writer = store;
    keeping.event_hub = hub;
    book = spawn(journal, std::move(keeping));
    with.journal = book;
    with.event_hub = hub;
    watching = spawn(monitor, with);
    run();
  }

  /// The process ends and another begins; the store stays.
  void restart() {
    kill(watching);
    kill(book);
    kill(hub);
    start();
  }

  /// Time passes on both clocks.
  void pass(std::chrono::milliseconds time) {
    constexpr std::chrono::milliseconds step{1'000};
    for (; time.count() > 0; time -= step) {
      wall += step;
      advance(step, step);
    }
  }

  void see(int answers, int failures, milliseconds duration = 1s) {
    observe_calls out;
    for (int i = 0; i < answers + failures; ++i) {
      call_observation one;
      one.provider = provider_id{"p"};
      one.model = model_id{"m"};
      one.duration = duration;
      one.cost = from_dollars(0.01);
      if (i >= answers)
        one.error = errc::provider_unavailable;
      out.calls.push_back(std::move(one));
    }
    tell(watching, std::move(out));
  }

  monitor_view view() {
    auto found = ask<monitor_view>(watching, read_monitor{});
    EXPECT_TRUE(found.has_value());
    return found ? *found : monitor_view{};
  }

  uint64_t samples(window_span span) { return monitoring::over(view().overall, span).samples; }

  size_t stored(const std::string& prefix) const {
    return static_cast<size_t>(std::ranges::count_if(
        store->documents, [&](const auto& one) { return one.first.starts_with(prefix); }));
  }
};

TEST_F(monitor_windows_test, CountsCallsInEveryWindow) {
  start();
  see(9, 1);
  pass(2s);
  const auto seen = view();
  ASSERT_EQ(seen.models.size(), 1u);
  EXPECT_EQ(seen.models[0].windows.minute.samples, 10u);
  EXPECT_EQ(seen.models[0].windows.minute.errors.at("provider_unavailable"), 1u);
  EXPECT_EQ(seen.overall.day.samples, 10u);
  pass(70s);
  EXPECT_EQ(samples(window_span::minute), 0u);
  EXPECT_EQ(samples(window_span::five_minutes), 10u);
}

TEST_F(monitor_windows_test, WritesAtMostEveryFewSecondsAndOnlyWhatChanged) {
  start();
  see(1, 0);
  pass(20s);
  EXPECT_EQ(store->submitted, 1u);
  for (int i = 0; i < 60; ++i) {
    see(100, 0);
    pass(1s);
  }
  EXPECT_LE(store->submitted, 1u + 13u);
  const auto before = store->submitted;
  pass(10min);
  EXPECT_LE(store->submitted, before + 3u) << "an idle farm writes nothing but the last quarter of an hour";
}

TEST_F(monitor_windows_test, WindowsSurviveARestart) {
  start();
  for (int minute = 0; minute < 20; ++minute) {
    see(minute, 1);
    pass(60s);
  }
  const auto before = view();
  restart();
  const auto after = view();
  ASSERT_EQ(after.models.size(), 1u);
  EXPECT_EQ(after.models[0].windows.hour, before.models[0].windows.hour);
  EXPECT_EQ(after.models[0].windows.day, before.models[0].windows.day);
  EXPECT_EQ(after.overall.day, before.overall.day);
  EXPECT_GT(after.overall.five_minutes.samples, 0u);
}

TEST_F(monitor_windows_test, MinutesGoWhenTheirHourIsOverAndQuartersWhenTheyAreTooOld) {
  with.keep = std::chrono::days{2};
  start();
  see(5, 0);
  pass(6s);
  EXPECT_EQ(stored("call_stats/m/"), 1u);
  pass(80min);
  EXPECT_EQ(stored("call_stats/m/"), 0u);
  EXPECT_EQ(stored("call_stats/q/"), 1u);
  wall += 49h;
  pass(2h);
  EXPECT_EQ(stored("call_stats/"), 0u);
}

TEST_F(monitor_windows_test, NothingIsWrittenBeforeTheStoreHasBeenRead) {
  start();
  see(5, 0);
  pass(6s);
  workers->hold = true;
  restart();
  see(7, 0);
  pass(20s);
  EXPECT_FALSE(view().complete);
  for (auto& job : std::exchange(workers->held, {}))
    job();
  run();
  pass(6s);
  EXPECT_TRUE(view().complete);
  EXPECT_EQ(samples(window_span::hour), 12u);
  restart();
  for (auto& job : std::exchange(workers->held, {}))
    job();
  run();
  EXPECT_EQ(samples(window_span::hour), 12u) << "the first five were not written over";
}

TEST_F(monitor_windows_test, AWriteThatFailsIsRepeated) {
  start();
  store->busy = true;
  see(5, 0);
  pass(60s);
  EXPECT_EQ(stored("call_stats/"), 0u);
  store->busy = false;
  pass(30s);
  EXPECT_EQ(stored("call_stats/m/"), 1u);
}

TEST_F(monitor_windows_test, DamagedDocumentsAreLeftOut) {
  start();
  see(5, 0);
  pass(6s);
  store->documents["call_stats/m/0000000000/x/y"] = "damaged";
  store->documents["call_stats/q/nonsense"] = "{}";
  store->documents["alerts/1"] = "[]";
  restart();
  EXPECT_EQ(samples(window_span::hour), 5u);
  EXPECT_TRUE(view().complete);
}

TEST_F(monitor_windows_test, FailuresOpenAnAlertThatIsToldAndKept) {
  start();
  const auto ear = spawn(listener);
  tell(hub, subscribe{alert_channel, ear});
  see(5, 15);
  pass(60s);
  auto& heard = state_of<listener_state>(ear).frames;
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].type, event_type::alert);
  const auto text = json::parse(heard[0].text.str());
  EXPECT_EQ(text["type"], "alert");
  EXPECT_EQ(text["data"]["state"], "open");
  EXPECT_EQ(text["data"]["type"], "error_rate");
  EXPECT_EQ(text["data"]["model_id"], "m");
  EXPECT_EQ(stored("alerts/"), 1u);
  restart();
  ASSERT_EQ(view().alerts.size(), 1u);
  pass(60s);
  EXPECT_EQ(view().alerts.size(), 1u) << "the same trouble makes no second alert";
  pass(7min);
  EXPECT_EQ(view().alerts.at(0).state, alert_state::resolved) << "no calls, no trouble";
}

TEST_F(monitor_windows_test, AnAlertIsToldAfterItsCommit) {
  start();
  const auto ear = spawn(listener);
  tell(hub, subscribe{alert_channel, ear});
  see(5, 15);
  pass(34s);
  store->hold = true;
  pass(3s);
  EXPECT_EQ(view().alerts.size(), 1u);
  EXPECT_TRUE(state_of<listener_state>(ear).frames.empty());
  store->hold = false;
  store->commit();
  run();
  EXPECT_EQ(state_of<listener_state>(ear).frames.size(), 1u);
}

TEST_F(monitor_windows_test, AFullDiskKeepsNoAlertFromBeingToldAndTheStoreGetsItLater) {
  start();
  const auto ear = spawn(listener);
  tell(hub, subscribe{alert_channel, ear});
  see(5, 15);
  store->busy = true;
  pass(60s);
  EXPECT_EQ(state_of<listener_state>(ear).frames.size(), 1u);
  EXPECT_EQ(stored("alerts/"), 0u);
  store->busy = false;
  pass(20s);
  EXPECT_EQ(stored("alerts/"), 1u);
  EXPECT_EQ(state_of<listener_state>(ear).frames.size(), 1u) << "told once";
}

TEST_F(monitor_windows_test, AnAcknowledgementIsKept) {
  start();
  see(5, 15);
  pass(60s);
  const auto id = view().alerts.at(0).id;
  const auto done = ask<monitoring::alert>(watching, acknowledge_alert{id, user_id{"ann"}});
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->state, alert_state::acknowledged);
  restart();
  EXPECT_EQ(view().alerts.at(0).acknowledged_by, "ann");
  EXPECT_EQ(ask<monitoring::alert>(watching, acknowledge_alert{99, user_id{"ann"}}).error().code,
            errc::not_found);
}

TEST_F(monitor_windows_test, ThresholdsChangedAtRunTimeHoldOverARestart) {
  start();
  const auto changed = ask<monitoring::thresholds>(
      watching, change_thresholds{R"({"error_rate_threshold":0.9})", user_id{"ann"}});
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(ask<monitoring::thresholds>(watching, change_thresholds{R"({"error_rate_threshold":9})", {}})
                .error()
                .where,
            "error_rate_threshold");
  restart();
  EXPECT_EQ(view().limits.error_rate_threshold, 0.9);
  see(5, 15);
  pass(2min);
  EXPECT_TRUE(view().alerts.empty());
}

TEST_F(monitor_windows_test, SwitchedOffItCountsNothingInWindowsAndAlertsNobody) {
  with.limits.monitoring_enabled = false;
  start();
  see(5, 15);
  pass(2min);
  EXPECT_EQ(samples(window_span::day), 0u);
  EXPECT_TRUE(view().alerts.empty());
  const auto totals = ask<statistics>(watching, read_statistics{});
  ASSERT_TRUE(totals.has_value());
  EXPECT_EQ(totals->models.at(0).calls, 20u) << "the totals of /metrics go on";
}

TEST_F(monitor_windows_test, CallsMadeElsewhereCountInTheWindowOfTheirTime) {
  start();
  call_observation one;
  one.provider = provider_id{"external"};
  one.model = model_id{"m"};
  one.external = true;
  one.at = wall - 30min;
  one.quality = 0.8;
  one.cost = from_dollars(0.1);
  tell(watching, observe_calls{{one}});
  EXPECT_EQ(samples(window_span::five_minutes), 0u);
  const auto seen = view().overall.hour;
  EXPECT_EQ(seen.samples, 1u);
  EXPECT_EQ(seen.external, 1u);
  EXPECT_NEAR(*seen.cost_efficiency, 800, 1e-6);
  EXPECT_TRUE(ask<statistics>(watching, read_statistics{})->models.empty()) << "this process made no call";
}

TEST_F(monitor_windows_test, MissedTargetsAlert) {
  with.find_model = [](const model_id& id) -> result<model_profile> {
    model_profile out;
    out.id = id;
    out.target_response_time = seconds{5};
    out.target_success_rate = 0.95;
    return out;
  };
  start();
  see(20, 0, 6s);
  pass(60s);
  const auto alerts = view().alerts;
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].kind, monitoring::alert_kind::target_response_time);
  EXPECT_EQ(view().models.at(0).targets.success_rate, 0.95);
}

TEST_F(monitor_windows_test, QualityArrivesAfterTheAnswer) {
  start();
  see(1, 0);
  tell(watching, observe_quality{{{model_id{"m"}, provider_id{"p"}, 0.5, from_dollars(0.01)}}});
  pass(1s);
  EXPECT_EQ(view().models.at(0).windows.minute.quality, 0.5);
  EXPECT_NEAR(*view().models.at(0).windows.minute.cost_efficiency, 5000, 1e-6);
}

TEST_F(monitor_windows_test, GaugesTellWindowsAndAlerts) {
  start();
  see(5, 15, 2s);
  pass(60s);
  const auto heard = ask<gauges>(watching, read_gauges{});
  ASSERT_TRUE(heard.has_value());
  const auto value = [&](metric family, const std::vector<std::string>& labels) -> std::optional<double> {
    for (const auto& one : heard->values)
      if (one.family == family && one.labels == labels)
        return one.value;
    return std::nullopt;
  };
  EXPECT_EQ(value(metric::window_calls, {"p", "m", "5m"}), 20);
  EXPECT_EQ(value(metric::window_failures, {"p", "m", "5m"}), 15);
  EXPECT_NEAR(value(metric::window_duration_seconds, {"p", "m", "5m", "0.95"}).value_or(0), 2, 0.05);
  EXPECT_EQ(value(metric::alerts, {"open"}), 1);
}

// -- webhooks ----------------------------------------------------------------------------------------------

TEST_F(monitor_windows_test, AlertsArePostedToWebhooksInOrderAndTriedAgain) {
  with.webhooks.urls = {"http://hooks.test/a/b?key=1"};
  with.webhooks.open_transport = wire.factory();
  start();
  see(5, 15);
  pass(60s);
  ASSERT_EQ(wire.requests.size(), 1u);
  EXPECT_EQ(json::parse(wire.requests[0].body)["data"]["state"], "open");
  wire.deliver(test::fake_wire::failure(wire.requests[0].id, 503));
  run();
  EXPECT_TRUE(wire.requests.empty());
  pass(2s);
  ASSERT_EQ(wire.requests.size(), 1u) << "tried again";
  wire.answer_next("ok");
  run();
  pass(7min);
  ASSERT_EQ(wire.requests.size(), 1u);
  EXPECT_EQ(json::parse(wire.requests[0].body)["data"]["state"], "resolved");
}

TEST_F(monitor_windows_test, APosterThatFallsIsReplacedAndEndsWithTheMonitor) {
  with.webhooks.urls = {"http://hooks.test/"};
  with.webhooks.open_transport = wire.factory();
  start();
  kill(state_of<monitor_state>(watching).poster);
  EXPECT_FALSE(state_of<monitor_state>(watching).poster);
  see(5, 15);
  pass(60s);
  EXPECT_EQ(wire.opened, 2u);
  ASSERT_EQ(wire.requests.size(), 1u) << "the next one posts";
  kill(watching);
  EXPECT_TRUE(wire.requests.empty()) << "nobody is left to hear of it";
}

TEST_F(monitor_windows_test, AWebhookThatHangsHoldsNothingUpAndItsLineIsBounded) {
  webhook_poster_config config;
  config.urls = {"http://hooks.test/"};
  config.open_transport = wire.factory();
  config.most_waiting = 5;
  const auto poster = spawn(webhook_poster, config);
  for (int i = 0; i < 100; ++i)
    tell(poster, post_webhooks{{shared_text{std::to_string(i)}}});
  const auto& state = state_of<webhook_poster_state>(poster);
  EXPECT_LE(state.targets.at(0).waiting.size(), 6u);
  EXPECT_EQ(wire.requests.size(), 1u);
  EXPECT_EQ(state.targets[0].waiting.front().body.str(), "0") << "the one on its way keeps its place";
  EXPECT_EQ(state.targets[0].waiting.back().body.str(), "99");
}

TEST_F(monitor_windows_test, AWebhookIsGivenUpAfterItsTries) {
  webhook_poster_config config;
  config.urls = {"http://hooks.test/"};
  config.open_transport = wire.factory();
  wire.respond = [](const http_request&) { return std::optional{test::fake_wire::failure(0, 302)}; };
  const auto poster = spawn(webhook_poster, config);
  tell(poster, post_webhooks{{shared_text{"{}"}}});
  advance(60s, 100ms);
  EXPECT_EQ(wire.bodies.size(), 4u) << "a redirect is no delivery";
  EXPECT_EQ(state_of<webhook_poster_state>(poster).given_up, 1u);
}

TEST(parse_webhook, SplitsOriginAndPath) {
  const auto good = parse_webhook("https://hooks.example.org:8443/services/T/B?x=1#f");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->origin, "https://hooks.example.org:8443");
  EXPECT_EQ(good->path, "/services/T/B?x=1");
  EXPECT_EQ(parse_webhook("http://h")->path, "/");
  EXPECT_EQ(parse_webhook("http://h?x")->path, "/?x");
  for (const auto* bad :
       {"", "hooks.example.org", "ftp://h/x", "https://user:word@h/x", "file:///etc/passwd"})
    EXPECT_EQ(parse_webhook(bad).error().code, errc::invalid_argument) << bad;
}

} // namespace
} // namespace assay
