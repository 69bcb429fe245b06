package hosted

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// language is one in which the pages are written.
type language struct {
	Tag     string // for the lang attribute
	Code    string // for ?lang=
	Name    string // in the language itself
	W       words
	methods map[string]string // names by method key, where they differ from the caller's
	labels  map[string]string // detail labels by their English text in lower case
	gap     string            // set after a name the caller gave, within a sentence
	when    string            // layout for time.Format
}

// words are the texts of the pages. Those with a verb take one name.
type words struct {
	Ribbon, RibbonNote                        string
	HeadingTest, HeadingLive                  string
	PayTo, Amount, Expires                    string
	DaysLeft, HoursLeft, MinutesLeft          string
	DayLeft, HourLeft, MinuteLeft             string
	Choose, ChooseNote                        string
	Challenge, ChallengeNote, Pass, Fail      string
	Scenario, ScenarioNone                    string
	Authorize, AuthorizeLive, AuthorizeNote   string
	Decline, DeclineLive, DeclineNote         string
	Cancel, CancelNote                        string
	NoReturn, NoReturnNote                    string
	Details, Field, Value                     string
	Authorized, AuthorizedNote                string
	ExpiredTitle, ExpiredNote                 string
	ReceiptTitle, Paid, PaidWith, Refunded    string // ReceiptTitle takes the merchant
	Leaving, LeavingNote, Finished, CloseNote string
	ToMerchant, ToApp, Retry                  string
	problems                                  map[problem]problemWords
}

// problem is a reason for not showing the page that was asked for.
type problem int

const (
	problemRequest problem = iota + 1
	problemNotFound
	problemMethod
	problemTooLarge
	problemCrossOrigin
	problemInternal
)

type problemWords struct{ Title, Note string }

// choose returns the language the payer asks for: by the link at the foot of
// the page, else by Accept-Language, else English.
func choose(r *http.Request) *language {
	switch r.URL.Query().Get("lang") {
	case english.Code:
		return english
	case chinese.Code:
		return chinese
	}
	best, bestWeight := english, 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Language"), ","), ",") {
		tag, parameter, _ := strings.Cut(strings.TrimSpace(part), ";")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(parameter), "q="); ok {
			parsed, err := strconv.ParseFloat(q, 64)
			if err != nil {
				continue
			}
			weight = parsed
		}
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		var l *language
		switch primary {
		case "en":
			l = english
		case "zh":
			l = chinese
		default:
			continue
		}
		if weight > bestWeight { // on a tie the language named first wins
			best, bestWeight = l, weight
		}
	}
	return best
}

// Other is the language offered at the foot of the page.
func (l *language) Other() *language {
	if l == english {
		return chinese
	}
	return english
}

func (l *language) method(key, name string) string {
	if local, ok := l.methods[key]; ok {
		return local
	}
	return name + l.gap
}

func (l *language) label(s string) string {
	if local, ok := l.labels[strings.ToLower(s)]; ok {
		return local
	}
	return s
}

// left says how long d is, in the largest unit that does not flatter it.
func (l *language) left(d time.Duration) string {
	const day = 24 * time.Hour
	w := l.W
	switch {
	case d <= 0:
		return ""
	case d >= 2*day:
		return count(int(d/day), w.DayLeft, w.DaysLeft)
	case d >= 2*time.Hour:
		return count(int(d/time.Hour), w.HourLeft, w.HoursLeft)
	default:
		return count(max(1, int(d/time.Minute)), w.MinuteLeft, w.MinutesLeft)
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

var english = &language{
	Tag:  "en",
	Code: "en",
	Name: "English",
	when: "2 Jan 2006, 15:04 MST",
	W: words{
		Ribbon:         "Test mode",
		RibbonNote:     "No money moves.",
		HeadingTest:    "%s test payment page",
		HeadingLive:    "%s payment page",
		PayTo:          "Pay",
		Amount:         "Amount",
		Expires:        "Expires",
		DayLeft:        "1 day after this page was opened",
		DaysLeft:       "%d days after this page was opened",
		HourLeft:       "1 hour after this page was opened",
		HoursLeft:      "%d hours after this page was opened",
		MinuteLeft:     "1 minute after this page was opened",
		MinutesLeft:    "%d minutes after this page was opened",
		Challenge:      "3D Secure test page",
		ChallengeNote:  "This page stands in for the card's bank, which asks who is paying.",
		Pass:           "Complete authentication",
		Fail:           "Fail authentication",
		Choose:         "What should the payer do?",
		ChooseNote:     "This page stands in for the wallet.",
		Scenario:       "Scenario",
		ScenarioNone:   "Ordinary outcome",
		Authorize:      "Authorize Test Payment",
		AuthorizeLive:  "Authorize Payment",
		AuthorizeNote:  "The payer approves, and returns.",
		Decline:        "Fail Test Payment",
		DeclineLive:    "Decline Payment",
		DeclineNote:    "The wallet declines, and the payer returns.",
		Cancel:         "Cancel and return",
		CancelNote:     "The payer gives up, and returns.",
		NoReturn:       "Authorize without returning",
		NoReturnNote:   "The payer approves, then closes the window.",
		Details:        "API request details",
		Field:          "Field",
		Value:          "Value",
		Authorized:     "Payment authorized",
		AuthorizedNote: "You may close this window.",
		ExpiredTitle:   "This payment link has expired",
		ExpiredNote:    "Return to the merchant to start again.",
		ReceiptTitle:   "Receipt from %s",
		Paid:           "Paid",
		PaidWith:       "Paid with",
		Refunded:       "Refunded",
		Leaving:        "Taking you back",
		LeavingNote:    "If nothing happens, use the button below.",
		Finished:       "This payment is finished",
		CloseNote:      "You may close this window.",
		ToMerchant:     "Return to the merchant",
		ToApp:          "Return to the app",
		Retry:          "Go back to the payment",
		problems: map[problem]problemWords{
			problemRequest:     {"This request cannot be used", "The form was not sent as this page expects it."},
			problemNotFound:    {"Page not found", "Check the link, or return to the merchant and start again."},
			problemMethod:      {"This request cannot be used", "This address does not accept that method."},
			problemTooLarge:    {"This request is too large", "A decision fits in 64 KiB."},
			problemCrossOrigin: {"This request was blocked", "A decision must be sent from the payment's own page. Open the payment link again."},
			problemInternal:    {"Something went wrong", "This is not your fault. Try again in a moment."},
		},
	},
}

var chinese = &language{
	Tag:  "zh-Hans",
	Code: "zh",
	Name: "简体中文",
	gap:  " ",
	when: "2006年1月2日 15:04 MST",
	methods: map[string]string{
		"alipay": "支付宝",
	},
	labels: map[string]string{
		"account":              "账户",
		"amount":               "金额",
		"capture method":       "请款方式",
		"created":              "创建时间",
		"currency":             "币种",
		"customer":             "客户",
		"description":          "描述",
		"email":                "邮箱",
		"id":                   "编号",
		"livemode":             "生产模式",
		"merchant":             "商户",
		"metadata":             "元数据",
		"method":               "支付方式",
		"name":                 "姓名",
		"order":                "订单",
		"order id":             "订单号",
		"owner":                "付款人",
		"payment":              "付款",
		"payment intent":       "付款意图",
		"payment method":       "支付方式",
		"payment request id":   "付款请求编号",
		"phone":                "电话",
		"return url":           "返回地址",
		"source":               "Source 编号",
		"statement descriptor": "账单描述",
		"status":               "状态",
		"type":                 "类型",
	},
	W: words{
		Ribbon:         "测试模式",
		RibbonNote:     "不会产生真实扣款。",
		HeadingTest:    "%s测试付款页面",
		HeadingLive:    "%s付款页面",
		PayTo:          "付款给",
		Amount:         "金额",
		Expires:        "有效期至",
		DayLeft:        "自打开本页起 1 天",
		DaysLeft:       "自打开本页起 %d 天",
		HourLeft:       "自打开本页起 1 小时",
		HoursLeft:      "自打开本页起 %d 小时",
		MinuteLeft:     "自打开本页起 1 分钟",
		MinutesLeft:    "自打开本页起 %d 分钟",
		Challenge:      "3D Secure 测试页面",
		ChallengeNote:  "本页面代替发卡银行，确认付款人的身份。",
		Pass:           "完成验证",
		Fail:           "使验证失败",
		Choose:         "付款人要怎么做？",
		ChooseNote:     "本页面代替真实的电子钱包。",
		Scenario:       "场景",
		ScenarioNone:   "默认结果",
		Authorize:      "授权测试付款",
		AuthorizeLive:  "授权付款",
		AuthorizeNote:  "付款人同意付款，并返回商户。",
		Decline:        "使测试付款失败",
		DeclineLive:    "拒绝付款",
		DeclineNote:    "钱包拒绝付款，付款人返回商户。",
		Cancel:         "取消并返回",
		CancelNote:     "付款人放弃付款，并返回商户。",
		NoReturn:       "授权但不返回",
		NoReturnNote:   "付款人同意付款，随后关闭窗口。",
		Details:        "API 请求详情",
		Field:          "字段",
		Value:          "值",
		Authorized:     "付款已授权",
		AuthorizedNote: "您可以关闭此窗口。",
		ExpiredTitle:   "此付款链接已过期",
		ExpiredNote:    "请返回商户重新开始。",
		ReceiptTitle:   "%s 的收据",
		Paid:           "付款时间",
		PaidWith:       "付款方式",
		Refunded:       "已退款",
		Leaving:        "正在返回",
		LeavingNote:    "如果页面没有跳转，请点击下方按钮。",
		Finished:       "此付款已完成",
		CloseNote:      "您可以关闭此窗口。",
		ToMerchant:     "返回商户",
		ToApp:          "返回应用",
		Retry:          "回到付款页面",
		problems: map[problem]problemWords{
			problemRequest:     {"无法处理此请求", "提交的表单不符合本页面的要求。"},
			problemNotFound:    {"页面不存在", "请检查链接，或返回商户重新开始。"},
			problemMethod:      {"无法处理此请求", "此地址不接受该请求方法。"},
			problemTooLarge:    {"请求过大", "提交内容不得超过 64 KiB。"},
			problemCrossOrigin: {"请求已被阻止", "只能从付款页面本身提交。请重新打开付款链接。"},
			problemInternal:    {"出现错误", "这不是您的问题，请稍后再试。"},
		},
	},
}
