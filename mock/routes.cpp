#include "mock/routes.hpp"

#include <array>
#include <span>

namespace assay::mock {

namespace {

/// One path of a protocol. `*` stands for the subject: one segment, or in models any rest.
struct entry {
  std::string_view method;
  std::string_view pattern;
  operation op;
  bool stream = false;
};

constexpr std::array openai_paths{
    entry{"POST", "/chat/completions", operation::chat},
    entry{"POST", "/embeddings", operation::embed},
    entry{"GET", "/models", operation::list_models},
    entry{"GET", "/models/*", operation::get_model},
    entry{"POST", "/files", operation::upload_file},
    entry{"GET", "/files", operation::list_files},
    entry{"GET", "/files/*/content", operation::file_content},
    entry{"GET", "/files/*", operation::get_file},
    entry{"DELETE", "/files/*", operation::delete_file},
    entry{"POST", "/batches", operation::create_batch},
    entry{"GET", "/batches", operation::list_batches},
    entry{"POST", "/batches/*/cancel", operation::cancel_batch},
    entry{"GET", "/batches/*", operation::get_batch},
};

/// What OpenAI does not have and llama.cpp does.
constexpr std::array llama_cpp_paths{
    entry{"POST", "/chat/completions/input_tokens", operation::count_tokens}};

/// What vLLM has beside /v1.
constexpr std::array vllm_paths{entry{"POST", "/tokenize", operation::tokenize}};

/// What OpenRouter and DeepSeek have of them.
constexpr std::array chat_only_paths{
    entry{"POST", "/chat/completions", operation::chat},
    entry{"POST", "/embeddings", operation::embed},
    entry{"GET", "/models", operation::list_models},
    entry{"GET", "/models/*", operation::get_model},
};

constexpr std::array azure_deployment_paths{
    entry{"POST", "/deployments/*/chat/completions", operation::chat},
    entry{"POST", "/deployments/*/embeddings", operation::embed},
};

constexpr std::array anthropic_paths{
    entry{"POST", "/messages", operation::chat},
    entry{"POST", "/messages/count_tokens", operation::count_tokens},
    entry{"GET", "/models", operation::list_models},
    entry{"GET", "/models/*", operation::get_model},
    entry{"POST", "/messages/batches", operation::create_batch},
    entry{"GET", "/messages/batches", operation::list_batches},
    entry{"GET", "/messages/batches/*/results", operation::batch_results},
    entry{"POST", "/messages/batches/*/cancel", operation::cancel_batch},
    entry{"GET", "/messages/batches/*", operation::get_batch},
    entry{"DELETE", "/messages/batches/*", operation::delete_batch},
};

constexpr std::array gemini_paths{
    entry{"POST", "/models/*:generateContent", operation::chat},
    entry{"POST", "/models/*:streamGenerateContent", operation::chat, true},
    entry{"POST", "/models/*:countTokens", operation::count_tokens},
    entry{"POST", "/models/*:embedContent", operation::embed},
    entry{"POST", "/models/*:batchEmbedContents", operation::embed_many},
    entry{"POST", "/models/*:batchGenerateContent", operation::create_batch},
    entry{"POST", "/models/*:asyncBatchEmbedContent", operation::create_embedding_batch},
    entry{"GET", "/models", operation::list_models},
    entry{"GET", "/models/*", operation::get_model},
    entry{"POST", "/batches/*:cancel", operation::cancel_batch},
    entry{"GET", "/batches", operation::list_batches},
    entry{"GET", "/batches/*", operation::get_batch},
    entry{"DELETE", "/batches/*", operation::delete_batch},
    entry{"GET", "/files", operation::list_files},
    entry{"GET", "/files/*:download", operation::file_content},
    entry{"GET", "/files/*", operation::get_file},
    entry{"DELETE", "/files/*", operation::delete_file},
};

constexpr std::array gemini_upload_paths{entry{"POST", "/files", operation::upload_file}};

/// Where a protocol's paths begin. The first prefix whose paths know the rest wins.
struct mount {
  std::string_view prefix;
  wire protocol;
  std::span<const entry> paths;
  bool versioned = false;
};

constexpr std::array mounts{
    mount{"/v1", wire::openai, openai_paths},
    mount{"/v1", wire::anthropic, anthropic_paths},
    mount{"/v1", wire::openai, llama_cpp_paths},
    mount{"/openai/v1", wire::azure, openai_paths},
    mount{"/openai", wire::azure, azure_deployment_paths, true},
    mount{"/openai", wire::azure, openai_paths, true},
    mount{"/anthropic/v1", wire::anthropic, anthropic_paths},
    mount{"/deepseek/anthropic/v1", wire::anthropic, anthropic_paths},
    mount{"/v1beta", wire::gemini, gemini_paths},
    mount{"/upload/v1beta", wire::gemini, gemini_upload_paths},
    mount{"/download/v1beta", wire::gemini, gemini_paths},
    mount{"/openrouter/api/v1", wire::openrouter, chat_only_paths},
    mount{"/deepseek/v1", wire::deepseek, chat_only_paths},
    mount{"/deepseek", wire::deepseek, chat_only_paths},
    mount{"/compatible-mode/v1", wire::dashscope, openai_paths},
    mount{"", wire::openai, vllm_paths},
};

bool matches(const entry& e, std::string_view rest, std::string_view& subject) {
  const auto star = e.pattern.find('*');
  if (star == std::string_view::npos)
    return rest == e.pattern;
  const auto before = e.pattern.substr(0, star);
  const auto after = e.pattern.substr(star + 1);
  if (rest.size() <= before.size() + after.size() || !rest.starts_with(before) || !rest.ends_with(after))
    return false;
  subject = rest.substr(before.size(), rest.size() - before.size() - after.size());
  // Names of models may hold slashes (vendor/name).
  return before == "/models/" || subject.find('/') == std::string_view::npos;
}

} // namespace

route find_route(std::string_view method, std::string_view path, bool anthropic) {
  // By far the most frequent one.
  if (path == "/v1/chat/completions" && method == "POST")
    return {.protocol = wire::openai, .op = operation::chat};
  route wrong;
  route unknown;
  bool mounted = false;
  for (const auto& m : mounts) {
    if (!path.starts_with(m.prefix) || path.size() == m.prefix.size() || path[m.prefix.size()] != '/')
      continue;
    const auto rest = path.substr(m.prefix.size());
    // Both protocols have /v1/models.
    if (m.protocol == wire::openai && anthropic && rest.starts_with("/models"))
      continue;
    // Every path lies below the root; it says nothing about whose an unknown one is.
    if (!mounted && !m.prefix.empty())
      unknown.protocol = anthropic && m.protocol == wire::openai ? wire::anthropic : m.protocol;
    mounted = true;
    for (const auto& e : m.paths) {
      std::string_view subject;
      if (!matches(e, rest, subject))
        continue;
      route found{m.protocol, e.op, subject, e.stream, m.versioned, method != e.method};
      if (!found.wrong_method)
        return found;
      if (wrong.op == operation::none)
        wrong = found;
    }
  }
  return wrong.op == operation::none ? unknown : wrong;
}

} // namespace assay::mock
