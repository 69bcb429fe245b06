package multisafepay

import "net/http"

// endpoints lists the whole surface, below /v1/json (reference §3 to §8).
func (a *API) endpoints() []endpoint {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return []endpoint{
		{method: post, pattern: "orders", write: createOrder},
		{method: get, pattern: "orders/{order}", read: retrieveOrder},
		{method: patch, pattern: "orders/{order}", write: updateOrder},
		{method: post, pattern: "orders/{order}/cancel", bodyless: true, write: cancelQR},
		{method: post, pattern: "orders/{order}/capture", write: captureOrder},
		{method: post, pattern: "orders/{order}/files", file: true, write: attachFile},
		{method: get, pattern: "orders/{order}/paymentlink", read: retrieveLink},
		{method: get, pattern: "orders/{order}/refunds", read: listRefunds},
		{method: post, pattern: "orders/{order}/refunds", write: createRefund},
		{method: patch, pattern: "orders/{order}/refunds/{refund}", write: updateRefund},
		{method: get, pattern: "orders/{order}/transactions", read: listOrderTransactions},
		{method: patch, pattern: "capture/{order}", write: cancelCapture},

		{method: get, pattern: "transactions", read: listTransactions},
		{method: get, pattern: "transactions/{transaction}", read: retrieveTransaction},

		{method: get, pattern: "gateways", public: true, read: listGateways},
		{method: get, pattern: "gateways/{gateway}", public: true, read: retrieveGateway},
		{method: get, pattern: "payment-methods", public: true, read: listMethods},
		{method: get, pattern: "payment-methods/{gateway}", public: true, read: retrieveMethod},
		{method: get, pattern: "issuers/{gateway}", public: true, read: listIssuers},
		{method: get, pattern: "categories", read: listCategories},
		{method: get, pattern: "me", read: whoAmI},
		{method: get, pattern: "auth/api_token", read: createToken},

		{method: get, pattern: "recurring/{customer}", read: listTokens},
		{method: get, pattern: "recurring/{customer}/token/{token}", read: retrieveRecurring},
		{method: patch, pattern: "recurring/{customer}/update/{token}", write: updateRecurring},
		{method: del, pattern: "recurring/{customer}/remove/{token}", write: removeRecurring},
	}
}
