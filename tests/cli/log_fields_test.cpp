#include "cli/log_fields.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::cli {
namespace {

using nlohmann::json;

json line(std::string_view text) {
  return json::parse(log_line_json("2026-01-02T03:04:05.678Z", "info", text));
}

TEST(log_line_json, GivesEachFieldOfARequestItsOwnName) {
  const auto out =
      line("request method=GET path=/tasks?limit=3 status=200 time=12.34ms id=req-1 peer=127.0.0.1");
  EXPECT_EQ(out, json({{"time", "2026-01-02T03:04:05.678Z"},
                       {"level", "info"},
                       {"message", "request"},
                       {"method", "GET"},
                       {"path", "/tasks?limit=3"},
                       {"status", 200},
                       {"duration", "12.34ms"},
                       {"id", "req-1"},
                       {"peer", "127.0.0.1"}}));
}

TEST(log_line_json, ReadsQuotedTextsAndNumbers) {
  const auto out = line(
      R"(evaluation stops run=eval_1 reason="the "best" model is gone" share=0.5 code=007 n=-3 id=12e3 long=12345678901234567890)");
  EXPECT_EQ(out["message"], "evaluation stops");
  EXPECT_EQ(out["reason"], R"(the "best" model is gone)");
  EXPECT_EQ(out["share"], 0.5);
  EXPECT_EQ(out["code"], "007");
  EXPECT_EQ(out["n"], -3);
  EXPECT_EQ(out["id"], "12e3");
  EXPECT_EQ(out["long"], "12345678901234567890");
}

TEST(log_line_json, KeepsWhatHasNoFieldsAsItIs) {
  for (const auto* text : {"", "Loaded 3 tasks", "configuration: PORT=x is wrong", "a=b but not to the end",
                           "=", "x=", "open reason=\"never closed", "level message"}) {
    const auto out = line(text);
    EXPECT_EQ(out["level"], "info") << text;
    if (std::string_view(text) != "x=") {
      EXPECT_EQ(out["message"], text);
      EXPECT_EQ(out.size(), 3U) << out.dump();
    }
  }
}

TEST(log_line_json, LetsNoFieldReplaceTheLinesOwn) {
  const auto out = line("breaker changed level=high message=\"m\" time=1ms");
  EXPECT_EQ(out["level"], "info");
  EXPECT_EQ(out["message"], "breaker changed");
  EXPECT_EQ(out["level_"], "high");
  EXPECT_EQ(out["message_"], "m");
  EXPECT_EQ(out["time"], "2026-01-02T03:04:05.678Z");
}

TEST(log_line_json, SurvivesBytesThatAreNoText) {
  EXPECT_EQ(line("request path=\xff\x01 status=400")["status"], 400);
}

} // namespace
} // namespace assay::cli
