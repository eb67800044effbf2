#include "cli/key_probe.hpp"

#include <gtest/gtest.h>

namespace assay::cli {
namespace {

const secret key{"sk-secret"};

provider_profile provider(std::string id, wire_protocol protocol = wire_protocol::openai_chat) {
  provider_profile out;
  out.id = provider_id(std::move(id));
  out.protocol = protocol;
  return out;
}

TEST(key_probes, AskForTheListOfModelsWithTheProvidersOwnHeader) {
  const auto openai = probe_of(provider("openai"), "/v1", key);
  EXPECT_EQ(openai.base_path + openai.target, "/v1/models");
  EXPECT_EQ(find_header(openai.headers, "Authorization"), "Bearer sk-secret");

  for (const auto& anthropic : {provider("anthropic"), provider("anthropic@h", wire_protocol::anthropic)}) {
    const auto probe = probe_of(anthropic, "/v1", key);
    EXPECT_EQ(find_header(probe.headers, "x-api-key"), "sk-secret");
    EXPECT_EQ(find_header(probe.headers, "anthropic-version"), "2023-06-01");
    EXPECT_EQ(find_header(probe.headers, "Authorization"), "");
  }
  const auto gemini = probe_of(provider("gemini", wire_protocol::gemini), "/v1beta", key);
  EXPECT_EQ(find_header(gemini.headers, "x-goog-api-key"), "sk-secret");
  EXPECT_EQ(gemini.target.find("sk-secret"), std::string::npos) << "a URL may be logged on the way";

  const auto azure =
      probe_of(provider("azure_openai", wire_protocol::azure_openai), "/openai/deployments/d", key);
  EXPECT_EQ(azure.base_path + azure.target, "/openai/models?api-version=2024-10-21");
  EXPECT_EQ(find_header(azure.headers, "api-key"), "sk-secret");
  const auto newer = probe_of(provider("azure_openai", wire_protocol::azure_openai), "/openai/v1", key);
  EXPECT_EQ(newer.base_path + newer.target, "/openai/v1/models");
}

TEST(key_probes, AskOpenrouterForTheKeyBecauseItsModelsArePublic) {
  EXPECT_EQ(probe_of(provider("openrouter"), "/api/v1", key).target, "/key");
}

TEST(key_verdicts, SayWhatAnAnswerMeans) {
  const auto good = judge_answer(200, R"({"object":"list","data":[{"id":"a"},{"id":"b"}]})", key);
  EXPECT_EQ(good.standing, key_standing::good);
  EXPECT_EQ(good.text, "accepted; it can see 2 models");
  EXPECT_EQ(judge_answer(200, "no JSON", key).standing, key_standing::good);

  const auto unknown =
      judge_answer(401, R"({"error":{"message":"Incorrect API key","code":"invalid_api_key"}})", key);
  EXPECT_EQ(unknown.standing, key_standing::refused);
  EXPECT_EQ(unknown.text, "the provider does not know this key (401): Incorrect API key");
  EXPECT_EQ(
      judge_answer(400, R"([{"error":{"code":400,"message":"API key not valid. Pass a valid one."}}])", key)
          .standing,
      key_standing::refused);
  EXPECT_EQ(judge_answer(403, "{}", key).standing, key_standing::refused);

  const auto poor = judge_answer(429, R"({"error":{"code":"insufficient_quota","message":"m"}})", key);
  EXPECT_EQ(poor.standing, key_standing::refused);
  EXPECT_NE(poor.text.find("no credit"), std::string::npos);
  EXPECT_EQ(judge_answer(402, R"({"error":{"message":"Insufficient Balance"}})", key).standing,
            key_standing::refused);
  EXPECT_EQ(judge_answer(429, R"({"error":{"code":"rate_limit_exceeded"}})", key).standing,
            key_standing::good);

  for (const int status : {404, 500, 503, 529, 302, 400})
    EXPECT_EQ(judge_answer(status, "", key).standing, key_standing::unclear) << status;
}

TEST(key_verdicts, NeverRepeatTheKeyAndStayOnTheirLine) {
  const auto verdict =
      judge_answer(401, R"({"error":"bad key sk-secret,\nreally sk-secret\u001b[31m"})", key);
  EXPECT_EQ(verdict.text.find("sk-secret"), std::string::npos) << verdict.text;
  EXPECT_NE(verdict.text.find("bad key ***"), std::string::npos) << verdict.text;
  EXPECT_EQ(verdict.text.find('\n'), std::string::npos);
  EXPECT_EQ(verdict.text.find('\x1b'), std::string::npos);
  EXPECT_LT(
      judge_answer(500, R"({"error":{"message":")" + std::string(100'000, 'x') + R"("}})", key).text.size(),
      500U);
}

TEST(key_verdicts, SurviveAnswersThatAreNotWhatTheyShouldBe) {
  for (const auto* body : {"", "[]", "[[]]", "null", "{\"error\":null}", "{\"error\":[1]}",
                           "{\"error\":{\"code\":7}}", "{\"data\":7}", "\xff\xfe"})
    for (const int status : {200, 400, 401, 429})
      EXPECT_FALSE(judge_answer(status, body, key).text.empty()) << status << body;
}

} // namespace
} // namespace assay::cli
