#include "core/codecs/answer_key.hpp"

#include <boost/pfr.hpp>
#include <sodium.h>

#include <array>
#include <bit>
#include <optional>
#include <type_traits>

namespace assay::codecs {

namespace {

template <class T>
constexpr size_t members = boost::pfr::tuple_size_v<T>;

static_assert(members<sampling> == 7 && members<answer_options> == 16 && members<message_extras> == 4
                  && members<image_part> == 5 && members<tool_call> == 4 && members<tool_definition> == 4
                  && members<chat_message> == 3,
              "a member was added: when it may change an answer, it belongs into the key");

/// The parts of a question. Stored in every hash: never reuse or renumber one.
enum class part : uint8_t {
  protocol = 1,
  base_url = 2,
  wire_model = 3,
  repetition = 4,

  message_role = 10,
  message_content = 11,
  message_name = 12,
  message_tool_call_id = 13,
  image_url = 14,
  image_base64 = 15,
  image_media_type = 16,
  image_detail = 17,
  tool_call_id = 18,
  tool_call_name = 19,
  tool_call_arguments = 20,
  tool_call_signature = 21,
  image_text_before = 22,

  temperature = 30,
  top_p = 31,
  frequency_penalty = 32,
  presence_penalty = 33,
  max_tokens = 34,
  seed = 35,
  stop = 36,

  top_k = 50,
  choices = 51,
  logprobs = 52,
  top_logprobs = 53,
  form = 54,
  schema_name = 55,
  schema_json = 56,
  schema_strict = 57,
  tool_name = 58,
  tool_description = 59,
  tool_parameters = 60,
  tool_strict = 61,
  tool_choice = 62,
  parallel_tool_calls = 63,
  reasoning_effort = 64,
  safety_settings = 65,
  extra_json = 66,
  raw_response = 67,

  embedding_input = 80,
  embedding_dimensions = 81,
};

/// Hashes parts, each with its number and its length, so that no two different lists of parts run together
/// into the same bytes.
class hasher {
public:
  hasher() { crypto_generichash_init(&state_, nullptr, 0, hash_size); }

  void add(part what, std::string_view bytes) {
    std::array<unsigned char, 9> head{};
    head[0] = static_cast<unsigned char>(what);
    for (size_t i = 0; i < 8; ++i)
      head[i + 1] = static_cast<unsigned char>(uint64_t{bytes.size()} >> (8 * i));
    crypto_generichash_update(&state_, head.data(), head.size());
    crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }

  template <class Number>
  requires std::is_integral_v<Number>
  void add(part what, Number value) {
    std::array<char, 8> bytes{};
    const auto bits = static_cast<uint64_t>(static_cast<int64_t>(value));
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<char>(bits >> (8 * i));
    add(what, std::string_view(bytes.data(), bytes.size()));
  }

  void add(part what, double value) {
    // Minus zero is the same temperature as zero.
    add(what, std::bit_cast<int64_t>(value == 0 ? 0.0 : value));
  }

  template <class T>
  void add(part what, const std::optional<T>& value) {
    if (value)
      add(what, *value);
  }

  void add_unless_empty(part what, std::string_view text) {
    if (!text.empty())
      add(what, text);
  }

  std::string finish() {
    std::array<unsigned char, hash_size> hash{};
    crypto_generichash_final(&state_, hash.data(), hash.size());
    std::string out(1, answer_key_version);
    out.append(reinterpret_cast<const char*>(hash.data()), hash.size());
    return out;
  }

private:
  static constexpr size_t hash_size = answer_key_size - 1;
  crypto_generichash_state state_;
};

void add_extras(hasher& hash, const message_extras& extras) {
  hash.add_unless_empty(part::message_name, extras.name);
  hash.add_unless_empty(part::message_tool_call_id, extras.tool_call_id);
  for (const auto& image : extras.images) {
    hash.add(part::image_url, image.url);
    hash.add_unless_empty(part::image_base64, image.base64);
    hash.add_unless_empty(part::image_media_type, image.media_type);
    hash.add_unless_empty(part::image_detail, image.detail);
    if (image.text_before != 0)
      hash.add(part::image_text_before, image.text_before);
  }
  for (const auto& call : extras.tool_calls) {
    hash.add(part::tool_call_id, call.id);
    hash.add(part::tool_call_name, call.name);
    hash.add(part::tool_call_arguments, call.arguments);
    hash.add_unless_empty(part::tool_call_signature, call.signature);
  }
}

void add_messages(hasher& hash, std::span<const chat_message> messages) {
  for (const auto& message : messages) {
    hash.add(part::message_role, static_cast<uint8_t>(message.role));
    hash.add(part::message_content, message.content.view());
    if (message.extras)
      add_extras(hash, *message.extras);
  }
}

void add_sampling(hasher& hash, const sampling& parameters) {
  hash.add(part::temperature, parameters.temperature);
  hash.add(part::top_p, parameters.top_p);
  hash.add(part::frequency_penalty, parameters.frequency_penalty);
  hash.add(part::presence_penalty, parameters.presence_penalty);
  hash.add(part::max_tokens, parameters.max_tokens);
  hash.add(part::seed, parameters.seed);
  for (const auto& stop : parameters.stop)
    hash.add(part::stop, stop);
}

void add_tools(hasher& hash, const answer_options& options) {
  for (const auto& tool : options.tools) {
    hash.add(part::tool_name, tool.name);
    hash.add_unless_empty(part::tool_description, tool.description);
    hash.add_unless_empty(part::tool_parameters, tool.parameters_json);
    hash.add(part::tool_strict, tool.strict);
  }
  hash.add_unless_empty(part::tool_choice, options.tool_choice);
  hash.add(part::parallel_tool_calls, options.parallel_tool_calls);
}

void add_options(hasher& hash, const answer_options& options) {
  hash.add(part::top_k, options.top_k);
  if (options.choices != 1)
    hash.add(part::choices, options.choices);
  if (options.logprobs)
    hash.add(part::logprobs, options.logprobs);
  hash.add(part::top_logprobs, options.top_logprobs);
  if (options.form != answer_form::text)
    hash.add(part::form, static_cast<uint8_t>(options.form));
  hash.add_unless_empty(part::schema_name, options.schema_name);
  hash.add_unless_empty(part::schema_json, options.schema_json);
  hash.add(part::schema_strict, options.schema_strict);
  add_tools(hash, options);
  hash.add_unless_empty(part::reasoning_effort, options.reasoning_effort);
  hash.add_unless_empty(part::safety_settings, options.safety_settings_json);
  hash.add_unless_empty(part::extra_json, options.extra_json);
  // The body is not kept, so no kept answer may stand in for one with it.
  if (options.raw_response)
    hash.add(part::raw_response, options.raw_response);
}

} // namespace

std::string answer_key(const answer_question& question) {
  hasher hash;
  hash.add(part::protocol, static_cast<uint8_t>(question.protocol));
  hash.add(part::base_url, question.base_url);
  hash.add(part::wire_model, question.wire_model);
  if (question.repetition != 0)
    hash.add(part::repetition, question.repetition);
  add_messages(hash, question.messages);
  if (question.parameters)
    add_sampling(hash, *question.parameters);
  if (question.options)
    add_options(hash, *question.options);
  for (const auto& input : question.inputs)
    hash.add(part::embedding_input, input);
  hash.add(part::embedding_dimensions, question.dimensions);
  return hash.finish();
}

} // namespace assay::codecs
