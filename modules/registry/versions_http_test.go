package registry_test

import (
	"testing"

	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
)

func TestVersionsAreReadPageByPageOnEveryDatabase(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		to := server(startOn(t, open()))
		for _, c := range []call{
			{"", "POST", "/features", ownersBody, "", 201, `{"version": 1}`},
			{"", "POST", "/features", `{"name": "customer_purchase_count_30d", "entity_type": "customer", "owner": null}`, "", 200, `{"version": 2}`},
			{"", "GET", "/features/customer/customer_purchase_count_30d/versions", "", "", 200, `{"versions": [{"version": 2}, {"version": 1}]}`},
			{"", "GET", "/features/customer/customer_purchase_count_30d/versions?limit=1", "", "", 200, `{"versions": [{"version": 2}], "next_page_token": "2"}`},
			{"", "GET", "/features/customer/customer_purchase_count_30d/versions?page_token=2", "", "", 200, `{"versions": [{"version": 1}]}`},
			{"", "GET", "/features/customer/customer_purchase_count_30d/versions?page_token=9223372036854775807", "", "", 200, `{"versions": [{"version": 2}, {"version": 1}]}`},
			{"", "GET", "/groups/customer/versions", "", "", 200, `{"versions": [{"version": 1}]}`},
			{"", "GET", "/entity-types/customer/versions", "", "", 200, `{"versions": [{"version": 1}]}`},
		} {
			c.run(t, to)
		}
	})
}
