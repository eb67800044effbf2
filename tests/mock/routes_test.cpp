#include "mock/routes.hpp"

#include <gtest/gtest.h>

namespace assay::mock {

namespace {

std::string shown(std::string_view method, std::string_view path, bool anthropic = false) {
  const auto found = find_route(method, path, anthropic);
  return std::string(to_string(found.protocol)) + " " + std::to_string(static_cast<int>(found.op))
         + (found.subject.empty() ? "" : " " + std::string(found.subject)) + (found.stream ? " stream" : "")
         + (found.versioned ? " versioned" : "") + (found.wrong_method ? " wrong method" : "");
}

std::string op(operation value) { return std::to_string(static_cast<int>(value)); }

} // namespace

TEST(mock_routes, TellTheProtocolsApartByTheirPaths) {
  EXPECT_EQ(shown("POST", "/v1/chat/completions"), "openai " + op(operation::chat));
  EXPECT_EQ(shown("POST", "/v1/messages"), "anthropic " + op(operation::chat));
  EXPECT_EQ(shown("POST", "/openai/v1/chat/completions"), "azure " + op(operation::chat));
  EXPECT_EQ(shown("POST", "/openai/deployments/my-model/chat/completions"),
            "azure " + op(operation::chat) + " my-model versioned");
  EXPECT_EQ(shown("GET", "/openai/batches/b1"), "azure " + op(operation::get_batch) + " b1 versioned");
  EXPECT_EQ(shown("POST", "/v1beta/models/m:generateContent"), "gemini " + op(operation::chat) + " m");
  EXPECT_EQ(shown("POST", "/v1beta/models/m:streamGenerateContent"),
            "gemini " + op(operation::chat) + " m stream");
  EXPECT_EQ(shown("POST", "/upload/v1beta/files"), "gemini " + op(operation::upload_file));
  EXPECT_EQ(shown("POST", "/openrouter/api/v1/chat/completions"), "openrouter " + op(operation::chat));
  EXPECT_EQ(shown("POST", "/deepseek/chat/completions"), "deepseek " + op(operation::chat));
  EXPECT_EQ(shown("POST", "/deepseek/v1/chat/completions"), "deepseek " + op(operation::chat));
  EXPECT_EQ(shown("POST", "/deepseek/anthropic/v1/messages"), "anthropic " + op(operation::chat));
  EXPECT_EQ(shown("POST", "/compatible-mode/v1/chat/completions"), "dashscope " + op(operation::chat));
}

TEST(mock_routes, FindWhereEachProtocolCountsTokens) {
  EXPECT_EQ(shown("POST", "/v1/messages/count_tokens"), "anthropic " + op(operation::count_tokens));
  EXPECT_EQ(shown("POST", "/v1beta/models/m:countTokens"), "gemini " + op(operation::count_tokens) + " m");
  EXPECT_EQ(shown("POST", "/v1/chat/completions/input_tokens"), "openai " + op(operation::count_tokens));
  EXPECT_EQ(shown("POST", "/tokenize"), "openai " + op(operation::tokenize));
  EXPECT_EQ(shown("GET", "/tokenize"), "openai " + op(operation::tokenize) + " wrong method");
  EXPECT_EQ(shown("POST", "/nothing", true), "openai " + op(operation::none))
      << "as before there was /tokenize";
}

TEST(mock_routes, LetTheVersionHeaderDecideWhoseModelsAreListed) {
  EXPECT_EQ(shown("GET", "/v1/models"), "openai " + op(operation::list_models));
  EXPECT_EQ(shown("GET", "/v1/models", true), "anthropic " + op(operation::list_models));
  EXPECT_EQ(shown("GET", "/v1/models/vendor/name"), "openai " + op(operation::get_model) + " vendor/name");
  EXPECT_EQ(shown("GET", "/v1/models/x", true), "anthropic " + op(operation::get_model) + " x");
}

TEST(mock_routes, FindTheSubjectOfFilesAndBatches) {
  EXPECT_EQ(shown("GET", "/v1/files/f/content"), "openai " + op(operation::file_content) + " f");
  EXPECT_EQ(shown("DELETE", "/v1/files/f"), "openai " + op(operation::delete_file) + " f");
  EXPECT_EQ(shown("POST", "/v1/batches/b/cancel"), "openai " + op(operation::cancel_batch) + " b");
  EXPECT_EQ(shown("GET", "/v1/messages/batches/b/results"),
            "anthropic " + op(operation::batch_results) + " b");
  EXPECT_EQ(shown("POST", "/v1beta/batches/b:cancel"), "gemini " + op(operation::cancel_batch) + " b");
  EXPECT_EQ(shown("GET", "/v1beta/files/f:download"), "gemini " + op(operation::file_content) + " f");
}

TEST(mock_routes, KnowAPathWithAnotherMethodFromNoPath) {
  EXPECT_EQ(shown("GET", "/v1/chat/completions"), "openai " + op(operation::chat) + " wrong method");
  EXPECT_EQ(shown("GET", "/v1/nothing"), "openai " + op(operation::none));
  EXPECT_EQ(shown("GET", "/v1"), "openai " + op(operation::none));
  EXPECT_EQ(shown("GET", "/v1/files//content"), "openai " + op(operation::none));
  EXPECT_EQ(shown("POST", "/v1beta/nothing"), "gemini " + op(operation::none));
  EXPECT_EQ(shown("POST", "/openrouter/api/v1/batches"), "openrouter " + op(operation::none));
  EXPECT_EQ(shown("GET", ""), "openai " + op(operation::none));
}

} // namespace assay::mock
