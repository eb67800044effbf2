#include "server/families.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

using namespace assay;
using namespace assay::server;
using nlohmann::json;

namespace {

const exchange_facts facts{"req-1", wall_time{seconds{1'704'110'400}},
                           std::chrono::duration<double, std::milli>{12.5}};

} // namespace

TEST(families, AreToldByThePath) {
  EXPECT_EQ(family_of_path("/evaluations/x"), family::engine);
  EXPECT_EQ(family_of_path("/evaluation/evaluate"), family::datalab);
  EXPECT_EQ(family_of_path("/api/v1/jobs"), family::jobs);
  EXPECT_EQ(family_of_path("/api/v10"), family::engine);
  EXPECT_EQ(family_of_path("/api/tasks/1"), family::datalab);
  EXPECT_EQ(family_of_path("/tasks"), family::engine);
  EXPECT_EQ(family_of_path("/v1/models"), family::openai);
  EXPECT_EQ(family_of_path("/v10"), family::engine);
}

TEST(families, GiveTheSameFailureTheirOwnStatusAndWord) {
  const fault wrong{errc::invalid_argument, "must be positive", "limit", "give 1 or more"};
  EXPECT_EQ(problem_of(family::engine, wrong).status, 422u);
  EXPECT_EQ(problem_of(family::jobs, wrong).status, 422u);
  EXPECT_EQ(problem_of(family::datalab, wrong).status, 400u);
  const fault missing{errc::not_found, "no", {}, {}};
  EXPECT_EQ(problem_of(family::engine, missing).code, "NOT_FOUND");
  EXPECT_EQ(problem_of(family::engine, {errc::time_limit_reached, {}, {}, {}}).code, "TIMEOUT_ERROR");
  EXPECT_EQ(problem_of(family::engine, {errc::store_full, {}, {}, {}}).code, "STORE_UNAVAILABLE");
  EXPECT_EQ(problem_of(family::jobs, {errc::store_full, {}, {}, {}}).code, "SERVICE_UNAVAILABLE");
  EXPECT_EQ(problem_of(family::jobs, missing).code, "RESOURCE_NOT_FOUND");
  EXPECT_EQ(problem_of(family::datalab, missing).code, "NOT_FOUND");
  EXPECT_EQ(problem_of(family::engine, {errc::provider_unavailable, {}, {}, {}}).status, 502u);
  EXPECT_EQ(problem_of(family::engine, {errc::provider_timeout, {}, {}, {}}).status, 408u);
}

TEST(families, KnowEveryErrorCode) {
  for (unsigned number = 1; number <= static_cast<unsigned>(errc::internal); ++number) {
    const auto code = static_cast<errc>(number);
    if (to_string(code) == "unknown")
      continue;
    for (const auto kind : {family::engine, family::jobs, family::datalab, family::openai}) {
      const auto shown = problem_of(kind, {code, "x", {}, {}});
      EXPECT_GE(shown.status, 400u);
      EXPECT_NE(status_phrase(shown.status), "Unknown") << shown.status;
      if (code != errc::internal) {
        EXPECT_NE(shown.status, 500u + (code == errc::scorer_failed ? 1u : 0u)) << to_string(code);
      }
    }
  }
}

TEST(families, ShapeErrorsAsTheirClientsReadThem) {
  const auto what =
      problem_of(family::engine, {errc::invalid_argument, "must be positive", "limit", "give 1 or more"});
  EXPECT_EQ(json::parse(error_body(family::engine, what, facts)), json::parse(R"({
    "error": {"code": "VALIDATION_ERROR", "message": "must be positive", "field": "limit", "details": {"hint": "give 1 or more"}},
    "detail": "limit: must be positive", "message": "limit: must be positive", "request_id": "req-1"
  })"));
  const auto jobs = json::parse(error_body(family::jobs, what, facts));
  EXPECT_EQ(jobs["success"], false);
  EXPECT_EQ(jobs["data"], nullptr);
  EXPECT_EQ(jobs["errors"][0]["code"], "VALIDATION_ERROR");
  EXPECT_EQ(jobs["meta"]["api_version"], "v1");
  const auto datalab = json::parse(error_body(family::datalab, what, facts));
  EXPECT_EQ(datalab["status"], "error");
  EXPECT_EQ(datalab["error_code"], "VALIDATION_ERROR");
  EXPECT_EQ(datalab["request_id"], "req-1");
}

TEST(families, ShapeErrorsAsOpenAisClientsReadThem) {
  const auto shown = [](fault what) {
    return json::parse(error_body(family::openai, problem_of(family::openai, std::move(what)), facts));
  };
  const auto wrong = shown({errc::invalid_argument, "must be positive", "n", "give 1 or more"})["error"];
  EXPECT_EQ(wrong.size(), 4u);
  EXPECT_EQ(wrong["message"], "n: must be positive (give 1 or more)");
  EXPECT_EQ(wrong["type"], "invalid_request_error");
  EXPECT_EQ(wrong["param"], "n");
  EXPECT_EQ(wrong["code"], nullptr);
  EXPECT_EQ(shown({errc::not_found, "no", "model", {}})["error"]["code"], "model_not_found");
  EXPECT_EQ(shown({errc::not_found, "no such path", {}, {}})["error"]["code"], nullptr);
  EXPECT_EQ(shown({errc::budget_exhausted, "spent", {}, {}})["error"]["type"], "insufficient_quota");
  // The caller's key is good, whatever the provider thinks of ours.
  EXPECT_EQ(problem_of(family::openai, {errc::credentials_rejected, "x", {}, {}}).status, 502u);
  EXPECT_EQ(problem_of(family::openai, {errc::unauthenticated, "x", {}, {}}).status, 401u);
  EXPECT_EQ(problem_of(family::openai, {errc::rate_limited, "x", {}, {}}).retry_after, seconds{1});
}

TEST(families, ShapeSuccesses) {
  const json payload{{"a", 1}};
  EXPECT_EQ(json::parse(success_body(family::engine, payload, facts)), payload);
  EXPECT_EQ(json::parse(success_body(family::jobs, payload, facts)), json::parse(R"({
    "success": true, "data": {"a": 1},
    "meta": {"timestamp": "2024-01-01T12:00:00Z", "request_id": "req-1", "api_version": "v1"}
  })"));
  const auto datalab = json::parse(success_body(family::datalab, payload, facts));
  EXPECT_EQ(datalab["status"], "success");
  EXPECT_EQ(datalab["a"], 1);
  EXPECT_EQ(datalab["execution_time_ms"], 12.5);
}

TEST(families, SayWhenToTryAgain) {
  const auto out =
      error_response(family::engine, problem_of(family::engine, {errc::busy, "full", {}, {}}), facts);
  EXPECT_EQ(out.status, 503u);
  ASSERT_EQ(out.headers.size(), 1u);
  EXPECT_EQ(out.headers[0].name, "Retry-After");
}

TEST(families, AFullFarmAsksToWaitForTheEndOfARun) {
  const fault full{errc::rate_limited, "as many runs wait as allowed", "farm.max_queued_runs", {}};
  EXPECT_EQ(problem_of(family::engine, full).status, 429u);
  EXPECT_EQ(known_wait(full, wall_time{}), seconds{30});
}

TEST(families, ABudgetThatIsSpentOpensAgainWithItsDayOrMonth) {
  const wall_time now{seconds{1'717'156'800}}; // 2024-05-31T12:00:00Z
  const auto wait = [&](const char* setting) {
    return known_wait({errc::budget_exhausted, "spent", setting, {}}, now);
  };
  EXPECT_EQ(wait("budgets.per_day"), seconds{12 * 3600});
  EXPECT_EQ(known_wait({errc::budget_exhausted, "spent", "models.m.cost_management.monthly_budget", {}},
                       now - std::chrono::days{1}),
            seconds{36 * 3600});
  EXPECT_FALSE(wait("max_cost")) << "a run's own budget stays spent";
  EXPECT_FALSE(known_wait({errc::provider_unavailable, "down", {}, {}}, now));
}

TEST(families, OpenAisParamNamesAParameterOrNothing) {
  const auto param = [](errc code, const char* where) {
    return json::parse(error_body(family::openai, problem_of(family::openai, {code, "no", where, {}}),
                                  facts))["error"]["param"];
  };
  EXPECT_EQ(param(errc::invalid_argument, "temperature"), "temperature");
  EXPECT_EQ(param(errc::budget_exhausted, "budgets.per_day"), nullptr);
  EXPECT_EQ(param(errc::request_over_budget, "budgets.per_request"), nullptr);
  EXPECT_EQ(param(errc::breaker_open, "providers.p.m"), nullptr);
}

TEST(families, NeverFailOnBytesThatAreNotUtf8) {
  const auto what = problem_of(family::engine, {errc::not_found, "no \xff", {}, {}});
  EXPECT_TRUE(json::accept(error_body(family::engine, what, facts)));
}
