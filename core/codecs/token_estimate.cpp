#include "core/codecs/token_estimate.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>

namespace assay::codecs {

namespace {

// -- characters --------------------------------------------------------------------------------------------

enum class kind : uint8_t { mark, letter, digit, space };

constexpr std::array<kind, 128> ascii_kinds() {
  std::array<kind, 128> out{};
  for (size_t c = 0; c < out.size(); ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    out[c] = letter ? kind::letter : digit ? kind::digit : space ? kind::space : kind::mark;
  }
  return out;
}

constexpr auto kinds = ascii_kinds();

constexpr bool is_latin(char32_t c) noexcept {
  return (c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7) || (c >= 0x1E00 && c <= 0x1EFF);
}

constexpr bool is_ideograph(char32_t c) noexcept {
  return (c >= 0x1100 && c <= 0x11FF) || (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF)
         || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x20000 && c <= 0x3FFFF);
}

/// Latin-1's symbols, dashes, quotation marks, arrows, mathematical and drawn ones.
constexpr bool is_symbol(char32_t c) noexcept {
  return (c >= 0x80 && c < 0xC0) || c == 0xD7 || c == 0xF7 || (c >= 0x2000 && c <= 0x2BFF);
}

constexpr bool continues(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// @returns the length of the character that begins at @p at, or 1 where none does.
size_t length_at(std::string_view text, size_t at) noexcept {
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t length = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
  if (at + length > text.size())
    return 1;
  for (size_t i = 1; i < length; ++i)
    if (!continues(text[at + i]))
      return 1;
  return length;
}

char32_t code_at(std::string_view text, size_t at, size_t length) noexcept {
  char32_t code = static_cast<unsigned char>(text[at]) & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i)
    code = (code << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  return code;
}

void count_wide(char32_t code, text_profile& out) noexcept {
  constexpr uint64_t letters_in_an_emoji = 4;
  if (is_ideograph(code))
    ++out.ideographs;
  else if (is_latin(code))
    ++out.letters;
  else if (is_symbol(code))
    ++out.marks;
  else
    out.others += code >= 0x10000 ? letters_in_an_emoji : 1;
}

void count(std::string_view text, text_profile& out) noexcept {
  std::array<uint64_t, 4> seen{};
  bool after_space = true; // A blank at the beginning belongs to no word before it.
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      const auto what = kinds[byte];
      const bool is_space = what == kind::space;
      if (!is_space || byte != ' ' || after_space)
        ++seen[static_cast<size_t>(what)];
      after_space = is_space;
      ++i;
      continue;
    }
    after_space = false;
    const auto length = length_at(text, i);
    if (length == 1)
      ++out.marks;
    else
      count_wide(code_at(text, i, length), out);
    i += length;
  }
  out.marks += seen[static_cast<size_t>(kind::mark)];
  out.letters += seen[static_cast<size_t>(kind::letter)];
  out.digits += seen[static_cast<size_t>(kind::digit)];
  out.spaces += seen[static_cast<size_t>(kind::space)];
}

/// Looks at slices that lie evenly in the text.
text_profile sample(std::string_view text) noexcept {
  constexpr size_t slices = 32;
  constexpr size_t slice_bytes = 4096;
  text_profile out;
  size_t looked_at = 0;
  for (size_t i = 0; i < slices; ++i) {
    auto begin = text.size() / slices * i;
    auto end = begin + slice_bytes;
    while (begin < end && continues(text[begin]))
      ++begin;
    while (end > begin && end < text.size() && continues(text[end]))
      --end;
    count(text.substr(begin, end - begin), out);
    looked_at += end - begin;
  }
  const double scale = static_cast<double>(text.size()) / static_cast<double>(std::max<size_t>(looked_at, 1));
  for (auto* number : {&out.letters, &out.digits, &out.ideographs, &out.marks, &out.spaces, &out.others})
    *number = static_cast<uint64_t>(std::llround(static_cast<double>(*number) * scale));
  return out;
}

// -- models ------------------------------------------------------------------------------------------------

/// Whether @p name holds @p word, which is in small letters.
bool holds(std::string_view name, std::string_view word) noexcept {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return std::search(name.begin(), name.end(), word.begin(), word.end(), same) != name.end();
}

bool is_old_openai(std::string_view name) noexcept {
  if (holds(name, "text-embedding") || holds(name, "gpt-3.5"))
    return true;
  return holds(name, "gpt-4") && !holds(name, "gpt-4o") && !holds(name, "gpt-4.");
}

bool is_openai(std::string_view name) noexcept {
  const auto slash = name.rfind('/');
  const auto plain = slash == std::string_view::npos ? name : name.substr(slash + 1);
  const bool reasons =
      plain.size() >= 2 && plain[0] == 'o' && plain[1] >= '1' && plain[1] <= '9'; // o1, o3-mini, ...
  return reasons || holds(name, "gpt-") || holds(name, "chatgpt");
}

// Where the vendors say something, it is that: OpenAI, a token is four characters of English, three tokens
// around a message; Anthropic, three and a half, and 346 tokens that make it know of tools; Google, four
// characters, and 258 for a picture; DeepSeek, 0.3 a character of English and 0.6 a Chinese one; Qwen, three
// to four characters of English, one and a half to 1.8 of Chinese, and each digit for itself. The rest is
// taken alike.
constexpr token_rates unknown{.letter = 0.25,
                              .digit = 0.6,
                              .ideograph = 0.85,
                              .mark = 0.8,
                              .space = 0.35,
                              .other = 0.5,
                              .message = 4,
                              .prompt = 3,
                              .image = 765,
                              .tools = 10,
                              .tool = 8};

constexpr token_rates with(token_rates rates, double letter, double digit, double ideograph, double mark,
                           double other) {
  rates.letter = letter;
  rates.digit = digit;
  rates.ideograph = ideograph;
  rates.mark = mark;
  rates.other = other;
  return rates;
}

constexpr token_rates around(token_rates rates, double message, double image, double tools) {
  rates.message = message;
  rates.image = image;
  rates.tools = tools;
  return rates;
}

constexpr token_rates openai = around(with(unknown, 0.235, 0.4, 0.75, 0.75, 0.4), 3, 765, 10);
constexpr token_rates openai_old = around(with(unknown, 0.24, 0.4, 1.15, 0.8, 0.6), 3, 765, 10);
constexpr token_rates anthropic = around(with(unknown, 0.3, 0.6, 1.1, 0.9, 0.7), 4, 1'500, 346);
constexpr token_rates gemini = around(with(unknown, 0.235, 1.0, 0.65, 0.8, 0.4), 2, 258, 10);
constexpr token_rates deepseek = with(unknown, 0.26, 0.4, 0.6, 0.8, 0.5);
constexpr token_rates qwen = with(unknown, 0.25, 1.0, 0.62, 0.8, 0.5);
constexpr token_rates llama = with(unknown, 0.24, 0.4, 0.8, 0.8, 0.5);

// -- sums --------------------------------------------------------------------------------------------------

double tokens_of(const text_profile& text, const token_rates& rates) noexcept {
  return rates.letter * static_cast<double>(text.letters) + rates.digit * static_cast<double>(text.digits)
         + rates.ideograph * static_cast<double>(text.ideographs)
         + rates.mark * static_cast<double>(text.marks) + rates.space * static_cast<double>(text.spaces)
         + rates.other * static_cast<double>(text.others);
}

double tokens_of(std::string_view text, const token_rates& rates) noexcept {
  return tokens_of(profile_of(text), rates);
}

double tokens_of(const message_extras& extras, const token_rates& rates) noexcept {
  constexpr double image_of_low_detail = 85;
  double sum = tokens_of(extras.name, rates);
  for (const auto& image : extras.images)
    sum += image.detail == "low" ? std::min(image_of_low_detail, rates.image) : rates.image;
  for (const auto& call : extras.tool_calls)
    sum += rates.tool + tokens_of(call.name, rates) + tokens_of(call.arguments, rates);
  return sum;
}

double tokens_of(const answer_options& options, const token_rates& rates) noexcept {
  double sum = options.tools.empty() ? 0 : rates.tools;
  for (const auto& tool : options.tools)
    sum += rates.tool + tokens_of(tool.name, rates) + tokens_of(tool.description, rates)
           + tokens_of(tool.parameters_json, rates);
  return sum + tokens_of(options.schema_json, rates);
}

uint32_t whole(double tokens) noexcept {
  constexpr double most = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(std::min(std::ceil(tokens), most));
}

} // namespace

text_profile profile_of(std::string_view text) noexcept {
  constexpr size_t most_looked_at = size_t{128} << 10;
  if (text.size() > most_looked_at)
    return sample(text);
  text_profile out;
  count(text, out);
  return out;
}

tokenizer_family family_of(wire_protocol protocol, std::string_view wire_model) noexcept {
  // Llama and Qwen come first: what is distilled into them keeps their tokenizers.
  if (holds(wire_model, "llama"))
    return tokenizer_family::llama;
  if (holds(wire_model, "qwen") || holds(wire_model, "qwq"))
    return tokenizer_family::qwen;
  if (holds(wire_model, "deepseek"))
    return tokenizer_family::deepseek;
  if (holds(wire_model, "claude"))
    return tokenizer_family::anthropic;
  if (holds(wire_model, "gemini") || holds(wire_model, "gemma"))
    return tokenizer_family::gemini;
  if (is_old_openai(wire_model))
    return tokenizer_family::openai_old;
  if (is_openai(wire_model))
    return tokenizer_family::openai;
  switch (protocol) {
  case wire_protocol::anthropic:
    return tokenizer_family::anthropic;
  case wire_protocol::gemini:
    return tokenizer_family::gemini;
  case wire_protocol::azure_openai:
    return tokenizer_family::openai; // A deployment may have any name.
  case wire_protocol::openai_chat:
    break;
  }
  return tokenizer_family::unknown;
}

const token_rates& rates_of(tokenizer_family family) noexcept {
  switch (family) {
  case tokenizer_family::openai:
    return openai;
  case tokenizer_family::openai_old:
    return openai_old;
  case tokenizer_family::anthropic:
    return anthropic;
  case tokenizer_family::gemini:
    return gemini;
  case tokenizer_family::deepseek:
    return deepseek;
  case tokenizer_family::qwen:
    return qwen;
  case tokenizer_family::llama:
    return llama;
  case tokenizer_family::unknown:
    break;
  }
  return unknown;
}

uint32_t estimate_tokens(std::string_view text, const token_rates& rates) noexcept {
  return whole(tokens_of(text, rates));
}

uint32_t estimate_prompt(std::span<const chat_message> messages, const answer_options* options,
                         const token_rates& rates) noexcept {
  double sum = rates.prompt;
  for (const auto& message : messages) {
    sum += rates.message + tokens_of(message.content.view(), rates);
    if (message.extras)
      sum += tokens_of(*message.extras, rates);
  }
  if (options != nullptr)
    sum += tokens_of(*options, rates);
  return whole(sum);
}

uint32_t estimate_inputs(std::span<const std::string> texts, const token_rates& rates) noexcept {
  double sum = 0;
  for (const auto& text : texts)
    sum += std::ceil(tokens_of(text, rates));
  return whole(sum);
}

} // namespace assay::codecs
